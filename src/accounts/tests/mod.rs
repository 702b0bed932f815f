mod bench;
mod recorded;
mod recover;
mod refresh;
mod slots;
