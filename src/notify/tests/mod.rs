mod bench;
mod delivery;
mod recorded;
mod settings;
