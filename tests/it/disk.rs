//! The usage journal cannot be written: requests go on, health tells, and all is counted.

use std::{fs, io::Write, process::Command};

use serde_json::json;

use crate::place::{Home, Place, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_journals_folder_goes_away() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let journal = home.folder.join("data/crs/journal");
    fs::rename(&journal, home.folder.join("away")).unwrap();
    for stream in [false, true] {
        crs.serve(&place, json!({ "stream": stream })).await;
    }
    place.books("main", 2).await;
    assert!(crs.warnings().await.contains("usage journal"), "{}", crs.warnings().await);
    fs::rename(home.folder.join("away"), &journal).unwrap();
    crs.serve(&place, json!({})).await;
    place.books("main", 3).await;
    until("health to be well", async || !crs.warnings().await.contains("usage journal")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_full() {
    let wrapper = ["unshare", "-m", "sh", "-c"];
    let mount = "mount -t tmpfs -o size=128k none data/crs";
    let may_mount = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=128k none /mnt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_mount {
        // Only a privileged user may mount; the test above stands for the rule.
        return;
    }
    let place = Place::usual().await;
    let start = format!("{mount} && exec \"$@\"");
    let wrapper = [&wrapper[..], &[start.as_str(), "sh"]].concat();
    let home = Home::new(&place, place.redis_addr().port(), &[]).behind(&wrapper);
    fs::create_dir_all(home.folder.join("data/crs")).unwrap();
    let crs = home.start().await;
    // The mount is the process's own and is reached, and ends, with it.
    let inside = format!("/proc/{}/root{}", crs.pid(), home.folder.display());
    let filler = format!("{inside}/data/crs/filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    for stream in [false, true] {
        crs.serve(&place, json!({ "stream": stream })).await;
    }
    place.books("main", 2).await;
    assert!(crs.warnings().await.contains("usage journal"), "{}", crs.warnings().await);
    drop(file);
    fs::remove_file(&filler).unwrap();
    crs.serve(&place, json!({})).await;
    place.books("main", 3).await;
    until("health to be well", async || !crs.warnings().await.contains("usage journal")).await;
}
