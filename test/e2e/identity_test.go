//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestIdentity_OpenSSLVerifiesTheDocumentAfterARestart verifies the served identity document with openssl and the certificate that
// the daemon prints. The certificate stays the same when the document changes and when the daemon restarts.
func TestIdentity_OpenSSLVerifiesTheDocumentAfterARestart(t *testing.T) {
	findTool(t, "openssl", "openssl")
	fake := stsfake.Start(t)
	home := newHome(t, fake, instance)
	var cert string
	t.Run("first start", func(t *testing.T) {
		d := startLocal(t, home, fake.URL())
		cert = identityCert(t, home)
		verifyIdentity(t, d.url, cert, `"instanceType" : "m5.large"`)

		file := filepath.Join(home, "conf/config.yaml")
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		testutil.Write(t, file, strings.Replace(string(config), "m5.large", "m6i.large", 1))
		d.waitFor(t, `"msg":"configuration reloaded"`)
		verifyIdentity(t, d.url, cert, `"instanceType" : "m6i.large"`)
	})
	t.Run("second start", func(t *testing.T) {
		d := startLocal(t, home, fake.URL())
		verifyIdentity(t, d.url, cert, `"instanceType" : "m6i.large"`)
		if got := identityCert(t, home); got != cert {
			t.Errorf("the certificate has changed from\n%s to\n%s", cert, got)
		}
	})
}

// identityCert is what "mock-ec2-metadata identity cert" prints in the daemon's home.
func identityCert(t *testing.T, home string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), buildDaemon(t), "identity", "cert")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + systemPath, "HOME=" + home}
	r := finish(t, cmd)
	if r.code != 0 || !strings.HasPrefix(r.stdout, "-----BEGIN CERTIFICATE-----\n") {
		t.Fatalf("identity cert: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// verifyIdentity verifies the document by all commands of AWS's documentation, and some more of openssl. part must be in it.
func verifyIdentity(t *testing.T, url, cert, part string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) { testutil.Write(t, filepath.Join(dir, name), content) }
	openssl := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "/usr/bin/openssl", args...)
		cmd.Dir = dir
		r := finish(t, cmd)
		if r.code != 0 {
			t.Errorf("openssl %s: exit %d\n%s", strings.Join(args, " "), r.code, r.stderr)
		}
		return r.stdout
	}

	const identity = "latest/dynamic/instance-identity/"
	_, document := fetch(t, url+identity+"document")
	if !strings.Contains(document, part) || !strings.HasSuffix(document, "\n}") {
		t.Errorf("no %s, or another end, in\n%s", part, document)
	}
	write("cert", cert)
	write("document", document)
	for _, name := range []string{"pkcs7", "rsa2048"} {
		_, signed := fetch(t, url+identity+name)
		write(name, "-----BEGIN PKCS7-----\n"+signed+"\n-----END PKCS7-----\n")
		for _, command := range []string{
			"smime -verify -inform PEM -in " + name + " -certfile cert -noverify",
			"smime -verify -inform PEM -in " + name + " -content document -certfile cert -noverify",
			"cms -verify -inform PEM -in " + name + " -certfile cert -noverify",
			"cms -verify -inform PEM -in " + name + " -certfile cert -CAfile cert -purpose any",
		} {
			if got := openssl(strings.Fields(command)...); got != document {
				t.Errorf("openssl %s: the content is\n%s\nand not\n%s", command, got, document)
			}
		}
	}

	_, signature := fetch(t, url+identity+"signature")
	write("signature", signature+"\n")
	openssl("base64", "-d", "-in", "signature", "-out", "signature.bin")
	write("key", openssl("x509", "-in", "cert", "-noout", "-pubkey"))
	if got := openssl("dgst", "-sha256", "-verify", "key", "-signature", "signature.bin", "document"); got != "Verified OK\n" {
		t.Errorf("openssl dgst says %q", got)
	}
}
