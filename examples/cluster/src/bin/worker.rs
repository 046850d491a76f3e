//! One of the processes.

fn main() -> Result<(), String> {
    coflight_example_cluster::worker::main(std::env::args().skip(1))
}
