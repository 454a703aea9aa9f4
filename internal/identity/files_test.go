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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rsaKey makes a PKCS#1 key file.
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

// write makes a file in a directory of its own.
func write(t *testing.T, name string, text []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newFromFiles(keyFile, certFile string) (*Identity, error) {
	return New(Options{KeyFile: keyFile, CertFile: certFile, Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

// sharedFiles are the shared pair as PEM: PKCS#1, PKCS#8, certificate.
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

func TestFiles(t *testing.T) {
	pkcs1, pkcs8, cert := sharedFiles(t)
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("the next of a chain")})
	for _, tt := range []struct {
		name      string
		key, cert []byte
	}{
		{"PKCS#1", pkcs1, cert},
		{"PKCS#8", pkcs8, cert},
		{"text around", append([]byte("Bag Attributes\n"), pkcs8...), append([]byte("Certificate:\n"), cert...)},
		{"key after certificate", append(cert, pkcs1...), append(pkcs1, cert...)},
		{"chain", pkcs8, append(cert, other...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := newFromFiles(write(t, "key.pem", tt.key), write(t, "cert.pem", tt.cert))
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

func TestFileErrors(t *testing.T) {
	pkcs1, pkcs8, cert := sharedFiles(t)
	block, _ := pem.Decode(pkcs8)
	certBlock, _ := pem.Decode(cert)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	// As openssl ecparam writes them.
	ec := append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)
	encrypted := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte("hunter2"), Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	bad := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("hunter2")}) }

	const newPair = "; make a new pair: openssl req -x509 -newkey rsa:2048 -nodes -days 10950 -subj /CN=mock-ec2-metadata -keyout key.pem -out cert.pem"
	for _, tt := range []struct {
		name      string
		key, cert []byte // nil: no such file
		want      string // KEY and CERT stand for the files
	}{
		{"no key file", nil, cert, "identity.key_file KEY does not exist; make the pair (" + makePair + "), or leave out identity.key_file and identity.cert_file to have one made"},
		{"no certificate file", pkcs8, nil, "identity.cert_file CERT does not exist; make the pair (" + makePair + "), or leave out identity.key_file and identity.cert_file to have one made"},
		{"DER key", block.Bytes, cert, "identity.key_file KEY is not PEM, or not whole; convert it: openssl pkey -in KEY -out key.pem"},
		{"half a key", pkcs8[:500], cert, "identity.key_file KEY is not PEM, or not whole; convert it: openssl pkey -in KEY -out key.pem"},
		{"DER certificate", pkcs8, certBlock.Bytes, "identity.cert_file CERT is not PEM, or not whole; convert it: openssl x509 -in CERT -out cert.pem"},
		{"swapped", cert, pkcs8, "identity.key_file KEY holds no private key; name the file that does"},
		{"key twice", pkcs1, pkcs1, "identity.cert_file CERT holds no certificate; name the file that does"},
		{"encrypted PKCS#8", bad("ENCRYPTED PRIVATE KEY"), cert, "identity.key_file KEY is encrypted, and nobody is there to give the passphrase; decrypt it: openssl pkey -in KEY -out key.pem"},
		{"encrypted PKCS#1", encrypted, cert, "identity.key_file KEY is encrypted, and nobody is there to give the passphrase; decrypt it: openssl pkey -in KEY -out key.pem"},
		{"EC", ec, cert, "identity.key_file KEY holds a private key that is not RSA but EC" + newPair},
		{"EC in PKCS#8", of(ecKey), cert, "identity.key_file KEY holds a private key that is not RSA but EC" + newPair},
		{"Ed25519", of(edKey), cert, "identity.key_file KEY holds a private key that is not RSA but Ed25519" + newPair},
		{"OpenSSH", bad("OPENSSH PRIVATE KEY"), cert, "identity.key_file KEY holds a private key that is not RSA but OPENSSH" + newPair},
		{"small", rsaKey(t, 1024), cert, "identity.key_file KEY holds an RSA key of 1024 bits, fewer than 2048" + newPair},
		{"bad PKCS#8", bad("PRIVATE KEY"), cert, "identity.key_file KEY holds a private key that is damaged, or of an unknown kind" + newPair},
		{"bad PKCS#1", bad("RSA PRIVATE KEY"), cert, "identity.key_file KEY holds a private key that is damaged, or of an unknown kind" + newPair},
		{"bad certificate", pkcs8, bad("CERTIFICATE"), "identity.cert_file CERT holds a certificate that is damaged" + newPair},
		{"no match", rsaKey(t, 2048), cert, "identity.cert_file CERT holds a certificate of another key than the one in identity.key_file KEY; name two that belong together, or make a new pair: " + makePair},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keyFile, certFile := write(t, "k", tt.key), write(t, "c", tt.cert)
			for file, text := range map[string][]byte{keyFile: tt.key, certFile: tt.cert} {
				if text == nil {
					if err := os.Remove(file); err != nil {
						t.Fatal(err)
					}
				}
			}
			i, err := newFromFiles(keyFile, certFile)
			want := strings.NewReplacer("KEY", keyFile, "CERT", certFile).Replace(tt.want)
			if i != nil || fmt.Sprint(err) != want {
				t.Errorf("got:  %v\nwant: %s", err, want)
			}
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		dir := t.TempDir()
		want := "identity.key_file " + dir + " cannot be read: is a directory; it must be a file that the daemon's user may read"
		if _, err := newFromFiles(dir, "cert.pem"); fmt.Sprint(err) != want {
			t.Errorf("got:  %v\nwant: %s", err, want)
		}
	})
	for _, tt := range []struct{ key, cert, want string }{
		{"key.pem", "", "identity.key_file is set and identity.cert_file is not; set both, or neither to have a key pair made"},
		{"", "cert.pem", "identity.cert_file is set and identity.key_file is not; set both, or neither to have a key pair made"},
	} {
		if _, err := newFromFiles(tt.key, tt.cert); fmt.Sprint(err) != tt.want {
			t.Errorf("got:  %v\nwant: %s", err, tt.want)
		}
	}
}
