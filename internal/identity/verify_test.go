package identity

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"
)

// armoured wraps a body in PEM armour, as all verifiers do.
func armoured(body []byte) []byte {
	return fmt.Appendf(nil, "-----BEGIN PKCS7-----\n%s\n-----END PKCS7-----", body)
}

// verifyAsVault verifies a body as Vault's auth/aws does.
func verifyAsVault(t *testing.T, body []byte, cert *x509.Certificate) (*pkcs7.PKCS7, error) {
	t.Helper()
	block, rest := pem.Decode(armoured(body))
	if block == nil || len(rest) != 0 {
		t.Fatalf("not PEM: %s", body)
	}
	p7, err := pkcs7.Parse(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(p7.Certificates) != 0 || len(p7.CRLs) != 0 || len(p7.Signers) != 1 {
		t.Errorf("%d certificates, %d CRLs, %d signers, want 0, 0, 1", len(p7.Certificates), len(p7.CRLs), len(p7.Signers))
	}
	p7.Certificates = []*x509.Certificate{cert}
	return p7, p7.Verify()
}

// signed returns signatures and the certificate that verifies them.
func signed(t *testing.T) (*Signatures, *x509.Certificate) {
	t.Helper()
	i, _ := identity(t, stateDir(t))
	block, rest := pem.Decode([]byte(certificate(t, i)))
	if len(rest) != 0 {
		t.Fatalf("more than one PEM block: %s", rest)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, i), cert
}

func TestSign_VaultVerifiesTheMessages(t *testing.T) {
	s, cert := signed(t)
	for name, body := range map[string][]byte{
		"pkcs7": s.PKCS7, "rsa2048": s.RSA2048,
		"pkcs7 | tr -d '\\n'": bytes.ReplaceAll(s.PKCS7, []byte("\n"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			p7, err := verifyAsVault(t, body, cert)
			if err != nil {
				t.Error(err)
			}
			if string(p7.Content) != document {
				t.Errorf("it holds %q, want %q", p7.Content, document)
			}
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			if err := p7.VerifyWithChain(roots); err != nil {
				t.Errorf("with the certificate as root: %v", err)
			}
			var at time.Time
			if err := p7.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &at); err != nil || time.Since(at).Abs() > time.Hour {
				t.Errorf("signed at %v (%v)", at, err)
			}
			var kind asn1.ObjectIdentifier
			if err := p7.UnmarshalSignedAttribute(pkcs7.OIDAttributeContentType, &kind); err != nil || !kind.Equal(pkcs7.OIDData) {
				t.Errorf("content of type %v (%v)", kind, err)
			}
		})
	}
}

func TestSign_VaultVerifiesDocumentAndSignature(t *testing.T) {
	s, cert := signed(t)
	signature, err := base64.StdEncoding.DecodeString(string(s.Signature))
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignature(x509.SHA256WithRSA, []byte(document), signature); err != nil {
		t.Error(err)
	}
}

func TestSign_AnotherKeyDoesNotVerify(t *testing.T) {
	s, cert := signed(t)
	other := *cert
	other.PublicKey = &rsa.PublicKey{N: new(big.Int).Add(shared().key.N, big.NewInt(2)), E: shared().key.E}
	if _, err := verifyAsVault(t, s.PKCS7, &other); err == nil {
		t.Error("verified with another key")
	}
}

func TestSign_AlteredMessagesDoNotVerify(t *testing.T) {
	s, cert := signed(t)
	der, err := base64.StdEncoding.DecodeString(string(s.PKCS7))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(document))
	utcTime := []byte{0x17, 13} // tag and length
	for name, at := range map[string]int{
		"document":     bytes.Index(der, []byte("eu-west-1")),
		"signing time": bytes.Index(der, utcTime) + 13, // the second of the two digits of the seconds
		"digest":       bytes.Index(der, digest[:]),
		"signature":    len(der) - 1,
	} {
		t.Run(name, func(t *testing.T) {
			altered := slices.Clone(der)
			altered[at] ^= 1
			if _, err := verifyAsVault(t, base64Lines(altered), cert); err == nil {
				t.Error("verified")
			}
		})
	}
}

func TestSign_LinesHave76Characters(t *testing.T) {
	s, _ := signed(t)
	for name, body := range map[string][]byte{"signature": s.Signature, "pkcs7": s.PKCS7, "rsa2048": s.RSA2048} {
		lines := strings.Split(string(body), "\n")
		for n, line := range lines {
			if last := n == len(lines)-1; len(line) != 76 && (!last || line == "" || len(line) > 76) {
				t.Errorf("%s: line %d has %d characters", name, n, len(line))
			}
		}
	}
}

// The structure is that of the real service's messages (imds-reference section 6.5).
func TestSign_MessagesHaveTheRealStructure(t *testing.T) {
	s, _ := signed(t)
	der, err := base64.StdEncoding.DecodeString(string(s.RSA2048))
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		ContentType asn1.ObjectIdentifier
		SignedData  struct {
			Version          int
			DigestAlgorithms asn1.RawValue
			Content          struct{ ContentType asn1.ObjectIdentifier }
		} `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) != 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	signer := p7.Signers[0]
	if outer.SignedData.Version != 1 || signer.Version != 1 {
		t.Errorf("versions %d and %d, want 1", outer.SignedData.Version, signer.Version)
	}
	got := []string{
		outer.ContentType.String(), outer.SignedData.Content.ContentType.String(),
		signer.DigestAlgorithm.Algorithm.String(), signer.DigestEncryptionAlgorithm.Algorithm.String(),
	}
	for _, a := range signer.AuthenticatedAttributes {
		got = append(got, a.Type.String())
	}
	want := []string{
		"1.2.840.113549.1.7.2",   // id-signedData
		"1.2.840.113549.1.7.1",   // id-data
		"2.16.840.1.101.3.4.2.1", // id-sha256
		"1.2.840.113549.1.1.1",   // rsaEncryption
		"1.2.840.113549.1.9.3",   // id-contentType
		"1.2.840.113549.1.9.5",   // id-signingTime
		"1.2.840.113549.1.9.4",   // id-messageDigest
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("object identifiers (-want +got):\n%s", diff)
	}
}
