//! A relay that looks at nothing: the least that standing between two sockets costs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A running relay; it ends with this value.
pub(crate) struct Relay {
    _runtime: Runtime,
    port: u16,
}

impl Relay {
    /// Starts one to this port of the machine, on as many threads as there are cores.
    pub(crate) fn start(upstream: u16) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("starting the relay's runtime")?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.context("binding the relay's port")?;
        let port = listener
            .local_addr()
            .context("asking for the relay's port")?
            .port();
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, upstream));
            }
        });
        Ok(Self {
            _runtime: runtime,
            port,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// What goes wrong shows at the client.
async fn relay(mut client: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
