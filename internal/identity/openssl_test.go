//go:build e2e

package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// openssl runs openssl in a directory and returns its standard output.
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

// verifyWithOpenSSL verifies as AWS's documentation describes, and by cms -verify with the certificate as trust anchor.
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
		testutil.Write(t, filepath.Join(dir, name), string(text))
	}
	testutil.Write(t, filepath.Join(dir, "key"), string(openssl(t, dir, "x509", "-in", "cert", "-pubkey", "-noout")))
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

func TestSign_OpenSSLVerifies(t *testing.T) {
	i, _ := identity(t, stateDir(t))
	cert := certificate(t, i)
	verifyWithOpenSSL(t, sign(t, i), cert)

	dir := t.TempDir()
	testutil.Write(t, filepath.Join(dir, "cert"), cert)
	openssl(t, dir, "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", "cert", "cert")
}

func TestMakePair_CommandMakesAUsablePair(t *testing.T) {
	dir := t.TempDir()
	args := strings.Fields(makePair)
	openssl(t, dir, args[1:]...)
	i, err := newFromFiles(filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	verifyWithOpenSSL(t, sign(t, i), certificate(t, i))
}
