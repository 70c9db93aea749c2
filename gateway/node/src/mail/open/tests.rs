use super::*;

fn mail(head: &str, body: &str) -> Vec<u8> {
    format!("{head}\n{body}").replace('\n', "\r\n").into_bytes()
}

fn archive(extra: &str) -> Vec<u8> {
    let head = format!("From: DPI <dpi@chu.mssante.fr>\nMessage-ID: <m1@chu>\n{extra}Content-Type: multipart/mixed; boundary=b\n");
    mail(
        &head,
        "--b\nContent-Type: text/plain\n\nBonjour\n--b\nContent-Type: application/zip; name=\"ihe_xdm.zip\"\nContent-Transfer-Encoding: base64\n\nUEs=\n--b--\n",
    )
}

#[test]
fn an_archive_is_found_with_who_sent_it() {
    let read = open(&archive("Disposition-Notification-To: <dpi@chu.mssante.fr>\n"));
    assert_eq!((read.from.as_deref(), read.id.as_deref()), (Some("dpi@chu.mssante.fr"), Some("m1@chu")));
    assert!(read.asks && !read.automatic);
    let What::Archives(carried) = read.what else { panic!("an archive") };
    assert_eq!((carried.archives, carried.words.as_deref()), (vec![b"PK".to_vec()], Some("Bonjour")));
}

#[test]
fn a_sender_that_is_not_sure_is_nobody() {
    for extra in [
        "From: other@chu.mssante.fr\n",
        "Return-Path: <x@elsewhere.fr>\n",
        "Return-Path: <x@elsewhere.fr>\nReturn-Path: <dpi@chu.mssante.fr>\n",
        // For nobody the operator vouches: nobody deposits so.
        "Return-Path: <>\n",
    ] {
        let read = open(&archive(extra));
        assert!(read.from.is_none() || extra.contains("<>"), "{extra}");
        assert!(matches!(&read.what, What::Strange(finding) if finding.code == "sender-unsure"), "{extra}");
    }
    // A notice is sent to nobody but the sender.
    assert!(!open(&archive("Disposition-Notification-To: <victim@elsewhere.fr>\n")).asks);
    // What stands twice names nothing.
    assert!(open(&archive("Message-ID: <m2@chu>\n")).id.is_none());
    assert!(open(&archive("Return-Path: <>\n")).automatic);
}

#[test]
fn what_became_of_ours_is_understood() {
    let report = |kind: &str, rest: &str| {
        let head = "From: a@b.fr\nContent-Type: multipart/report; report-type=x; boundary=b\n";
        open(&mail(head, &format!("--b\nContent-Type: text/plain\n\nx\n--b\nContent-Type: {kind}\n\n{rest}\n--b--\n"))).what
    };
    let shown = report(
        "message/disposition-notification",
        "Original-Message-ID: <o1@dep>\nDisposition: manual-action/MDN-sent-manually; displayed",
    );
    assert!(matches!(shown, What::Fate { original: Some(id), fate: MailFate::Display, on_the_way: false } if id == "o1@dep"));
    let bounce = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; y\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <o2@dep>\n\nx";
    assert!(
        matches!(report("message/delivery-status", bounce), What::Fate { original: Some(id), fate: MailFate::Fail, on_the_way: true } if id == "o2@dep")
    );
    let heads = bounce.replace("message/rfc822", "text/rfc822-headers");
    assert!(
        matches!(report("message/delivery-status", &heads), What::Fate { original: Some(id), fate: MailFate::Fail, on_the_way: true } if id == "o2@dep")
    );
    let late = bounce.replace("failed", "delayed");
    assert!(matches!(report("message/delivery-status", &late), What::Waits));
    assert!(matches!(report("message/disposition-notification", "x"), What::Strange(_)));
    let refused =
        mail("From: a@b.fr\nIn-Reply-To: <o3@dep>\nSubject: =?utf-8?Q?[KO_Int=C3=A9gration_syst=C3=A8me_!][902]_XDM/1.0/DDM+x?=\n", "x");
    assert!(matches!(open(&refused).what, What::Fate { original: Some(id), fate: MailFate::Fail, on_the_way: false } if id == "o3@dep"));
}

#[test]
fn hostile_mails_are_refused_and_not_followed() {
    let code = |bytes: &[u8]| match open(bytes).what {
        What::Strange(finding) => finding.code,
        What::Archives(_) | What::Fate { .. } | What::Waits => "",
    };
    // Nesting, deep and with boundaries all alike.
    let mut deep = String::from("From: a@b.fr\n");
    for n in 0..5_000 {
        deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
    }
    assert_eq!(code(&mail(&deep, "x")), "too-many");
    let nested = "Content-Type: message/rfc822\n\n".repeat(150);
    assert_ne!(code(&mail(&format!("From: a@b.fr\n{nested}"), "x")), "");
    // Parts, many.
    let many = "--b\nContent-Type: text/plain\n\nx\n".repeat(20_000);
    assert_eq!(code(&mail("From: a@b.fr\nContent-Type: multipart/mixed; boundary=b\n", &many)), "too-many");
    // Nothing, noise, a charset that nobody has, a name that is no name.
    assert_eq!(code(b""), "not-a-mail");
    assert_ne!(code(&[0xff; 10_000]), "");
    assert_ne!(
        code(&mail("From: a@b.fr\nContent-Type: text/plain; charset=\"x-\u{e9}\u{e9}\"\nContent-Transfer-Encoding: base64\n", "////")),
        ""
    );
    // An archive within a mail within the mail is not an archive of the mail.
    let inside = String::from_utf8(archive("")).unwrap();
    let forwarded = format!("--f\r\nContent-Type: message/rfc822\r\n\r\n{inside}\r\n--f--\r\n");
    assert_eq!(code(&mail("From: a@b.fr\nContent-Type: multipart/mixed; boundary=f\n", &forwarded)), "missing");
}

#[test]
fn what_would_cost_memory_before_anybody_looks_is_not_read() {
    let head = "From: a@b.fr\nContent-Type: multipart/mixed; boundary=b\n";
    let wide = format!("From: {}\n", "a@b.fr, ".repeat(250_000));
    for bomb in [mail(head, &"--b\n\n".repeat(1_000)), mail(&"a:\n".repeat(30_000), ""), mail(&wide, "x")] {
        assert!(matches!(open(&bomb).what, What::Strange(finding) if finding.code == "too-many"));
    }
}
