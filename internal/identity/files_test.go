package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// rsaKey makes a new key as PKCS#1 PEM.
func rsaKey(t *testing.T, bits int) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func parsed(t *testing.T, text []byte) *rsa.PrivateKey {
	t.Helper()
	key, f := parseKey(text)
	if f != noFlaw {
		t.Fatal(f)
	}
	return key
}

func newFromFiles(keyFile, certFile string) (*Identity, error) {
	return New(Options{KeyFile: keyFile, CertFile: certFile, Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

// sharedFiles returns the shared pair as PEM.
func sharedFiles(t *testing.T) (pkcs1, pkcs8, cert []byte) {
	t.Helper()
	text, err := shared().encode()
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	pkcs1 = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(shared().key)})
	return pkcs1, pem.EncodeToMemory(block), rest
}

func TestNew_AcceptsKeyAndCertificateFiles(t *testing.T) {
	pkcs1, pkcs8, cert := sharedFiles(t)
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("the next of a chain")})
	for _, tt := range []struct {
		name      string
		key, cert []byte
	}{
		{"PKCS#1", pkcs1, cert},
		{"PKCS#8", pkcs8, cert},
		{"text before the block", append([]byte("Bag Attributes\n"), pkcs8...), append([]byte("Certificate:\n"), cert...)},
		{"both in one file", append(cert, pkcs1...), append(pkcs1, cert...)},
		{"chain", pkcs8, append(cert, other...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := newFromFiles(testutil.WriteTemp(t, "key.pem", string(tt.key)), testutil.WriteTemp(t, "cert.pem", string(tt.cert)))
			if err != nil {
				t.Fatal(err)
			}
			i.Prepare()
			if got := certificate(t, i); got != string(cert) {
				t.Errorf("got certificate\n%s\nwant\n%s", got, cert)
			}
			sign(t, i)
		})
	}
}

// pemOf encodes a private key as PKCS#8 PEM.
func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// badPEM is a block of a type with content that cannot be parsed.
func badPEM(kind string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("hunter2")})
}

// opensslEC is an EC key as openssl ecparam writes it, and the same as PKCS#8.
func opensslEC(t *testing.T) (sec1, pkcs8 []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}})
	return append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...), pemOf(t, key)
}

// expectFilesError fails the test unless New fails with that text. KEY and CERT in it stand for the files.
func expectFilesError(t *testing.T, keyFile, certFile, want string) {
	t.Helper()
	i, err := newFromFiles(keyFile, certFile)
	want = strings.NewReplacer("KEY", keyFile, "CERT", certFile).Replace(want)
	if i != nil || fmt.Sprint(err) != want {
		t.Errorf("got:  %v\nwant: %s", err, want)
	}
}

const newPairHint = "; make a new pair: openssl req -x509 -newkey rsa:2048 -nodes -days 10950 -subj /CN=mock-ec2-metadata -keyout key.pem -out cert.pem"

func TestNew_UnusableKeyFileIsAnError(t *testing.T) {
	_, pkcs8, cert := sharedFiles(t)
	block, _ := pem.Decode(pkcs8)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, ecPKCS8 := opensslEC(t)
	encrypted := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte("hunter2"), Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	for _, tt := range []struct {
		name string
		key  []byte
		want string // after "identity.key_file KEY "
	}{
		{"DER", block.Bytes, "is not PEM, or is truncated; convert it: openssl pkey -in KEY -out key.pem"},
		{"truncated", pkcs8[:500], "is not PEM, or is truncated; convert it: openssl pkey -in KEY -out key.pem"},
		{"certificate", cert, "holds no private key; name the file that does"},
		{"encrypted PKCS#8", badPEM("ENCRYPTED PRIVATE KEY"), "is encrypted, and the daemon cannot ask for the passphrase; decrypt it: openssl pkey -in KEY -out key.pem"},
		{"encrypted PKCS#1", encrypted, "is encrypted, and the daemon cannot ask for the passphrase; decrypt it: openssl pkey -in KEY -out key.pem"},
		{"EC", ec, "holds a private key that is not RSA but EC" + newPairHint},
		{"EC in PKCS#8", ecPKCS8, "holds a private key that is not RSA but EC" + newPairHint},
		{"Ed25519", pemOf(t, edKey), "holds a private key that is not RSA but Ed25519" + newPairHint},
		{"OpenSSH", badPEM("OPENSSH PRIVATE KEY"), "holds a private key that is not RSA but OPENSSH" + newPairHint},
		{"1024 bits", rsaKey(t, 1024), "holds an RSA key of 1024 bits, fewer than 2048" + newPairHint},
		{"damaged PKCS#8", badPEM("PRIVATE KEY"), "holds a private key that is damaged, or of an unknown kind" + newPairHint},
		{"damaged PKCS#1", badPEM("RSA PRIVATE KEY"), "holds a private key that is damaged, or of an unknown kind" + newPairHint},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keyFile, certFile := testutil.WriteTemp(t, "k", string(tt.key)), testutil.WriteTemp(t, "c", string(cert))
			expectFilesError(t, keyFile, certFile, "identity.key_file KEY "+tt.want)
		})
	}
}

func TestNew_UnusableCertificateFileIsAnError(t *testing.T) {
	pkcs1, pkcs8, cert := sharedFiles(t)
	block, _ := pem.Decode(cert)
	for _, tt := range []struct {
		name      string
		key, cert []byte
		want      string // after "identity.cert_file CERT "
	}{
		{name: "DER", key: pkcs8, cert: block.Bytes, want: "is not PEM, or is truncated; convert it: openssl x509 -in CERT -out cert.pem"},
		{name: "key", key: pkcs1, cert: pkcs1, want: "holds no certificate; name the file that does"},
		{name: "damaged", key: pkcs8, cert: badPEM("CERTIFICATE"), want: "holds a certificate that is damaged" + newPairHint},
		{
			name: "of another key", key: rsaKey(t, 2048), cert: cert,
			want: "holds a certificate of another key than the one in identity.key_file KEY; name two that belong together, or make a new pair: " + makePair,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keyFile, certFile := testutil.WriteTemp(t, "k", string(tt.key)), testutil.WriteTemp(t, "c", string(tt.cert))
			expectFilesError(t, keyFile, certFile, "identity.cert_file CERT "+tt.want)
		})
	}
}

func TestNew_MissingFilesAreErrors(t *testing.T) {
	_, pkcs8, cert := sharedFiles(t)
	keyFile, certFile := testutil.WriteTemp(t, "k", string(pkcs8)), testutil.WriteTemp(t, "c", string(cert))
	none := filepath.Join(t.TempDir(), "none")
	const missing = " does not exist; make the pair (" + makePair + "), or leave out identity.key_file and identity.cert_file to have one made"
	for _, tt := range []struct{ name, key, cert, want string }{
		{name: "missing key file", key: none, cert: certFile, want: "identity.key_file KEY" + missing},
		{name: "missing certificate file", key: keyFile, cert: none, want: "identity.cert_file CERT" + missing},
		{name: "unreadable key file", key: t.TempDir(), cert: certFile, want: "identity.key_file KEY cannot be read: is a directory; it must be a file that the daemon's user can read"},
		{name: "no cert_file", key: keyFile, want: "identity.key_file is set and identity.cert_file is not; set both, or neither to have a key pair made"},
		{name: "no key_file", cert: certFile, want: "identity.cert_file is set and identity.key_file is not; set both, or neither to have a key pair made"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectFilesError(t, tt.key, tt.cert, tt.want)
		})
	}
}
