//! One script for each operation of an engine: Redis runs a script as one step.

use redis::Script;

pub(crate) struct Scripts {
    pub(crate) join: Script,
    pub(crate) look: Script,
    pub(crate) renew: Script,
    pub(crate) publish: Script,
    pub(crate) resign: Script,
    pub(crate) cancel: Script,
    pub(crate) forget: Script,
    pub(crate) tell: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        macro_rules! script {
            ($name:literal) => {
                Script::new(concat!(
                    include_str!("scripts/prelude.lua"),
                    include_str!(concat!("scripts/", $name, ".lua"))
                ))
            };
        }
        Self {
            join: script!("join"),
            look: script!("look"),
            renew: script!("renew"),
            publish: script!("publish"),
            resign: script!("resign"),
            cancel: script!("cancel"),
            forget: script!("forget"),
            tell: script!("tell"),
        }
    }
}
