//! Logging in a caller: SCRAM against the local users' verifiers, bound to our certificate under TLS.
//! Unknown users and wrong passwords look alike to the caller in every byte; the record knows more.

use almoner_wire::postgres::backend::Authentication;
use almoner_wire::postgres::fields::Severity;
use almoner_wire::postgres::frontend::SaslInitial;
use almoner_wire::postgres::scram::{AwaitFirst, Binding};
use almoner_wire::postgres::{Decoder, Direction, Frontend, Limits, WireError};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::Stream;
use super::upstream::nonce;
use super::words::OwnWords;
use crate::identity::principal::Principal;
use crate::identity::users::Users;

/// SQLSTATE of a failed login (`invalid_password`).
const FAILED: &str = "28P01";

/// Why a caller is not logged in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("the login failed: {0}")]
    Refused(&'static str),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the connection failed during login")]
    Io(#[from] std::io::Error),
}

/// Runs the login; of a failure the caller is still to be told. `binding` is the hash of our certificate under TLS.
pub(super) async fn log_in(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    users: &Users,
    user: &str,
    binding: Option<Bytes>,
) -> Result<Principal, LoginError> {
    let known = users.login(user);
    let binding = binding.map_or(Binding::None, Binding::TlsServerEndPoint);
    let start = AwaitFirst::new(known.verifier, binding);
    let mechanisms = start
        .mechanisms()
        .iter()
        .map(|name| Bytes::from_static(name.as_bytes()))
        .collect();
    let mut decoder = Decoder::new(Limits::login(Direction::Frontend));
    say(stream, Authentication::Sasl { mechanisms }).await?;

    let initial = SaslInitial::decode(password(stream, buffer, &mut decoder).await?)?;
    let nonce = nonce().map_err(|_| LoginError::Refused("no random numbers"))?;
    let first = start.first(
        &initial.mechanism,
        initial.response.as_deref().unwrap_or_default(),
        &nonce,
    );
    let (next, challenge) = match first {
        Ok(next) => next,
        Err(_) => {
            return Err(LoginError::Refused("a malformed or unbound SCRAM message"));
        }
    };
    say(stream, Authentication::SaslContinue(challenge)).await?;

    let last = password(stream, buffer, &mut decoder).await?;
    match (next.finish(&last), known.principal) {
        (Ok(accepted), Some(mut principal)) => {
            if accepted.bound {
                principal.method.push_str("-plus");
            }
            say(stream, Authentication::SaslFinal(accepted.server_final)).await?;
            say(stream, Authentication::Ok).await?;
            Ok(principal)
        }
        _ => Err(LoginError::Refused("wrong password or unknown user")),
    }
}

async fn say(stream: &mut Stream, step: Authentication) -> Result<(), LoginError> {
    let bytes = OwnWords::authentication(step).into_bytes();
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// The same words whatever was wrong.
pub(super) async fn say_failed(stream: &mut Stream, user: &str) {
    let message = format!("password authentication failed for user \"{user}\"");
    let words = OwnWords::error(Severity::Fatal, FAILED, &message).into_bytes();
    // The caller may be gone; the refusal stands either way.
    let _ = stream.write_all(&words).await;
    let _ = stream.flush().await;
}

async fn password(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    decoder: &mut Decoder,
) -> Result<Bytes, LoginError> {
    loop {
        if let Some(frame) = decoder.decode(buffer)? {
            return match Frontend::decode(&frame)? {
                Frontend::Password(body) => Ok(body),
                _ => Err(LoginError::Refused(
                    "something else than a password message",
                )),
            };
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(LoginError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
