package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"time"
)

// lineLength in characters is the one of the real service (imds-reference section 6.5).
const lineLength = 76

// The structures of RFC 5652, section numbers in brackets, without certificates, revocation lists and unsigned
// attributes.
type (
	contentInfo struct { // [3]
		ContentType asn1.ObjectIdentifier
		Content     signedData `asn1:"explicit,tag:0"`
	}
	signedData struct { // [5.1]
		Version          int
		DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
		Content          encapsulatedContent
		SignerInfos      []signerInfo `asn1:"set"`
	}
	encapsulatedContent struct { // [5.2]
		ContentType asn1.ObjectIdentifier
		Content     []byte `asn1:"explicit,tag:0"`
	}
	signerInfo struct { // [5.3]
		Version            int
		Signer             issuerAndSerialNumber
		DigestAlgorithm    pkix.AlgorithmIdentifier
		SignedAttributes   []attribute `asn1:"set,tag:0"`
		SignatureAlgorithm pkix.AlgorithmIdentifier
		Signature          []byte
	}
	issuerAndSerialNumber struct { // [10.2.4]
		Issuer asn1.RawValue
		Serial *big.Int
	}
	attribute struct { // [5.3]
		Type   asn1.ObjectIdentifier
		Values []any `asn1:"set"`
	}
)

// signedMessage makes a CMS SignedData message, in DER, that contains the document and its signature.
func signedMessage(p *pair, document []byte, now time.Time) ([]byte, error) {
	var (
		pkcs7       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7}
		pkcs9       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9}
		data        = slices.Concat(pkcs7, asn1.ObjectIdentifier{1})
		contentType = slices.Concat(pkcs9, asn1.ObjectIdentifier{3})
		digestType  = slices.Concat(pkcs9, asn1.ObjectIdentifier{4})
		timeType    = slices.Concat(pkcs9, asn1.ObjectIdentifier{5})
		// RFC 5754: the digest has no parameters, those of RSA are NULL.
		sha256Algorithm = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}}
		rsaEncryption   = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}
	)
	digest := sha256.Sum256(document)
	// DER sorts a set. This is its order, and the real service's.
	attributes := []attribute{
		{contentType, []any{data}},
		{timeType, []any{now.UTC()}},
		{digestType, []any{digest[:]}},
	}
	// The signature covers the attributes tagged as a set; the message tags them differently (RFC 5652 section 5.4).
	signed, err := asn1.MarshalWithParams(attributes, "set")
	if err != nil {
		return nil, err
	}
	signature, err := p.sign(signed)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{
		ContentType: slices.Concat(pkcs7, asn1.ObjectIdentifier{2}),
		Content: signedData{
			Version:          1,
			DigestAlgorithms: []pkix.AlgorithmIdentifier{sha256Algorithm},
			Content:          encapsulatedContent{ContentType: data, Content: document},
			SignerInfos: []signerInfo{{
				Version:            1,
				Signer:             issuerAndSerialNumber{Issuer: asn1.RawValue{FullBytes: p.cert.RawIssuer}, Serial: p.cert.SerialNumber},
				DigestAlgorithm:    sha256Algorithm,
				SignedAttributes:   attributes,
				SignatureAlgorithm: rsaEncryption,
				Signature:          signature,
			}},
		},
	})
}

// base64Lines encodes b in base64 with lines of lineLength.
func base64Lines(b []byte) []byte {
	text := base64.StdEncoding.AppendEncode(nil, b)
	return bytes.Join(slices.Collect(slices.Chunk(text, lineLength)), []byte("\n"))
}
