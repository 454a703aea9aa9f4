package identity

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	keyBits = 2048 // as the real rsa2048; the minimum for keys of users
	// A certificate is valid from a day ago, for verifiers whose clocks are slow, and is never renewed.
	certEarly = 24 * time.Hour
	certYears = 30

	keyType         = "PRIVATE KEY"
	certificateType = "CERTIFICATE"
)

// pair is an RSA key and its certificate.
type pair struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	// volatile says that the pair could not be saved and ends with the process.
	volatile bool
}

// Format redacts under every verb.
func (p *pair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key pair [redacted]") }

// newPair makes a key, which takes up to a second, and a self-signed certificate.
func newPair(now time.Time) (*pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	template := &x509.Certificate{
		// crypto/x509 picks a random serial number of more than 128 bits.
		Subject:   pkix.Name{CommonName: "mock-ec2-metadata instance identity", Organization: []string{"mock-ec2-metadata"}},
		NotBefore: now.Add(-certEarly),
		NotAfter:  now.AddDate(certYears, 0, 0),
		// Not a CA: verifiers should trust it for documents only. openssl still accepts it in -CAfile without -purpose,
		// because it has digitalSignature and no extended key usage.
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		SubjectKeyId:          id[:20],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &pair{key: key, cert: cert}, nil
}

// sign makes an RSA PKCS#1 v1.5 signature with SHA-256.
func (p *pair) sign(b []byte) ([]byte, error) {
	digest := sha256.Sum256(b)
	return rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, digest[:])
}

// encode returns the pair as PEM: the key, then the certificate. The result is secret.
func (p *pair) encode() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: p.cert.Raw})...), nil
}

// flaw says what is wrong with a PEM file; in messages it follows the file's name. It contains no part of a key.
type flaw string

const (
	noFlaw    flaw = ""
	notPEM    flaw = "is not PEM, or is truncated"
	noKey     flaw = "holds no private key"
	noCert    flaw = "holds no certificate"
	encrypted flaw = "is encrypted, and the daemon cannot ask for the passphrase"
	badKey    flaw = "holds a private key that is damaged, or of an unknown kind"
	badCert   flaw = "holds a certificate that is damaged"
	noMatch   flaw = "holds a certificate of another key"
)

func notRSA(kind string) flaw { return flaw("holds a private key that is not RSA but " + kind) }

func tooSmall(bits int) flaw {
	return flaw(fmt.Sprintf("holds an RSA key of %d bits, fewer than %d", bits, keyBits))
}

// parsePair parses the output of encode.
func parsePair(text []byte) (*pair, flaw) {
	key, f := parseKey(text)
	if f != noFlaw {
		return nil, f
	}
	cert, f := parseCert(text)
	if f != noFlaw {
		return nil, f
	}
	p := &pair{key: key, cert: cert}
	if !p.matches() {
		return nil, noMatch
	}
	return p, noFlaw
}

// matches reports whether the certificate belongs to the key.
func (p *pair) matches() bool { return p.key.PublicKey.Equal(p.cert.PublicKey) }

// parseKey parses the first private key, PKCS#1 or PKCS#8.
func parseKey(text []byte) (*rsa.PrivateKey, flaw) {
	block, f := firstBlock(text, keyType, noKey)
	if f != noFlaw {
		return nil, f
	}
	if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, encrypted
	}
	var (
		key any
		err error
	)
	switch kind := strings.TrimSuffix(block.Type, " "+keyType); kind {
	case keyType:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default: // EC, DSA, OPENSSH
		return nil, notRSA(kind)
	}
	if err != nil {
		return nil, badKey // the error does not help the user
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < keyBits {
			return nil, tooSmall(bits)
		}
		return key, noFlaw
	case *ecdsa.PrivateKey:
		return nil, notRSA("EC")
	case ed25519.PrivateKey:
		return nil, notRSA("Ed25519")
	case *ecdh.PrivateKey:
		return nil, notRSA("X25519")
	default:
		return nil, badKey
	}
}

// parseCert parses the first certificate. In a chain it is the one of the key.
func parseCert(text []byte) (*x509.Certificate, flaw) {
	block, f := firstBlock(text, certificateType, noCert)
	if f != noFlaw {
		return nil, f
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, badCert
	}
	return cert, noFlaw
}

// firstBlock finds the first PEM block whose type ends in suffix.
func firstBlock(text []byte, suffix string, missing flaw) (*pem.Block, flaw) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, notPEM
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, suffix) {
			return block, noFlaw
		}
	}
	return nil, missing
}
