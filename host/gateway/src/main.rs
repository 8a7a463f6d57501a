//! The `almoner` binary: hands the command line to the library.

fn main() -> std::process::ExitCode {
    almoner::cli::main()
}
