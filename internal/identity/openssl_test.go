//go:build e2e

package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs the command in a directory and returns what it prints.
func openssl(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	out, err := tryOpenSSL(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryOpenSSL(t *testing.T, dir string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("openssl is missing; install it: apt-get install openssl")
	}
	if err != nil {
		return nil, fmt.Errorf("openssl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes(), nil
}

// verifyWithOpenSSL does what AWS's documentation tells its users to do, and cms -verify with the certificate as the
// trust anchor.
func verifyWithOpenSSL(t *testing.T, s *Signatures, cert string) {
	t.Helper()
	dir := t.TempDir()
	raw, err := base64.StdEncoding.DecodeString(string(s.Signature))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"cert": []byte(cert), "document": []byte(document), "signature": raw,
		"pkcs7": armoured(s.PKCS7), "rsa2048": armoured(s.RSA2048),
		"tampered": []byte(strings.Replace(document, "west", "east", 1)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), openssl(t, dir, "x509", "-in", "cert", "-pubkey", "-noout"), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, dir, "dgst", "-sha256", "-verify", "key", "-signature", "signature", "document")
	if _, err := tryOpenSSL(t, dir, "dgst", "-sha256", "-verify", "key", "-signature", "signature", "tampered"); err == nil {
		t.Error("dgst accepts another document")
	}
	for _, file := range []string{"pkcs7", "rsa2048"} {
		for _, args := range [][]string{
			{"smime", "-verify", "-in", file, "-inform", "PEM", "-certfile", "cert", "-noverify"},
			{"smime", "-verify", "-in", file, "-inform", "PEM", "-certfile", "cert", "-CAfile", "cert"},
			{"cms", "-verify", "-in", file, "-inform", "PEM", "-certfile", "cert", "-CAfile", "cert"},
		} {
			if got := openssl(t, dir, args...); string(got) != document {
				t.Errorf("openssl %v gave %q, want %q", args, got, document)
			}
		}
	}
}

func TestOpenSSL(t *testing.T) {
	i, _ := identity(t, stateDir(t))
	cert := certificate(t, i)
	verifyWithOpenSSL(t, sign(t, i), cert)

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cert"), []byte(cert), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, dir, "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", "cert", "cert")
}

// TestMakePair runs the command that the error messages recommend.
func TestMakePair(t *testing.T) {
	dir := t.TempDir()
	args := strings.Fields(makePair)
	openssl(t, dir, args[1:]...)
	i, err := newFromFiles(filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	verifyWithOpenSSL(t, sign(t, i), certificate(t, i))
}
