mod bench;
mod delivery;
mod mail;
mod recorded;
mod settings;
