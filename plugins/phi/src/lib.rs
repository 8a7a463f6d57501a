//! x
use almoner_plugin_sdk::prelude::*;
struct Badge;
impl Plugin for Badge {
    type Settings = NoSettings;
    fn manifest() -> Manifest {
        Manifest::new("badge", "1.0.0").emits(["phi.id.badge"])
    }
    fn configure(_: NoSettings) -> Result<Self, Vec<SettingsError>> {
        Ok(Badge)
    }
}
impl Detector for Badge {
    fn declare(&self) -> Declaration {
        Declaration::patterns([Pattern::finding(r"\bB-\d{6}\b", 0, 60).context(["badge"], 95)])
    }
}
export!(Detector, Badge);
