//! After the story: what to try oneself.

use super::super::narrator::Narrator;
use super::super::scene::{MANAGER, Scene};

/// Prints connection strings and ideas. What cannot be printed is not worth ending for.
pub(in super::super) fn invite(narrator: &Narrator, scene: &Scene) {
    let _ = print(narrator, scene);
}

fn print(narrator: &Narrator, scene: &Scene) -> super::super::Result<()> {
    let folder = scene.gateway.folder().display().to_string();
    let binary = std::env::current_exe()
        .map(|path| path.display().to_string())
        .unwrap_or_else(|_| "almoner".into());
    narrator.heading("Your turn: everything stays up until you press Ctrl-C")?;
    narrator
        .say("In another terminal (a login's password is its name with -password behind it):")?;
    narrator.printed(&format!(
        "psql postgres://{assistant}:{assistant}-password@127.0.0.1:{port}/clinic\n\
         psql postgres://claims-assistant:claims-assistant-password@127.0.0.1:{port}/clinic\n\
         cd {folder} && alias almoner={binary}",
        assistant = super::ASSISTANT,
        port = scene.gateway.port(),
    ))?;
    narrator.say(
        "Try to get at a name or a number: through a view, a cast, a join, an error message. Then:",
    )?;
    narrator.printed(&format!(
        "almoner audit tail                     what you did, as masked\n\
         almoner status                         policy generation, plugins, sessions, held approvals\n\
         almoner approvals list                 (approve as {MANAGER})\n\
         $EDITOR policies/20-rules.toml         save it, and open sessions obey\n\
         almoner check                          what a broken policy would be told\n\
         curl -s http://127.0.0.1:{}/metrics"
        , scene.gateway.observe_port()
    ))
}
