//! Copies wasmtime's C headers beside cargo's target folder, where rust/build.sh takes them from.
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn main() {
    let source = PathBuf::from(env::var_os("DEP_WASMTIME_C_API_INCLUDE").expect("wasmtime-c-api-impl exports its headers"));
    println!("cargo:rerun-if-env-changed=DEP_WASMTIME_C_API_INCLUDE");
    println!("cargo:rerun-if-env-changed=HEARTH_RS_HEADERS");
    if let Some(out) = env::var_os("HEARTH_RS_HEADERS") {
        copy(&source, Path::new(&out)).expect("copy wasmtime's headers");
    }
}
