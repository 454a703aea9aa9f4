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

// lineLength is the real service's, in characters (imds-reference section 6.5).
const lineLength = 76

// The structures of RFC 5652, section numbers in brackets, as far as they occur here: no certificates, no revocation
// lists, no unsigned attributes.
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

// signedMessage makes the CMS SignedData message that contains and signs the document, in DER.
func signedMessage(p *pair, document []byte, now time.Time) ([]byte, error) {
	var (
		pkcs7       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7}
		pkcs9       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9}
		data        = slices.Concat(pkcs7, asn1.ObjectIdentifier{1})
		contentType = slices.Concat(pkcs9, asn1.ObjectIdentifier{3})
		digestType  = slices.Concat(pkcs9, asn1.ObjectIdentifier{4})
		timeType    = slices.Concat(pkcs9, asn1.ObjectIdentifier{5})
		// RFC 5754: the digest's parameters are left out, those of RSA are NULL.
		sha256Algorithm = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}}
		rsaEncryption   = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}
	)
	digest := sha256.Sum256(document)
	// DER sorts a set, which leaves these in the order of the real service's.
	attributes := []attribute{
		{contentType, []any{data}},
		{timeType, []any{now.UTC()}},
		{digestType, []any{digest[:]}},
	}
	// What is signed is the attributes as a set, though the message tags them otherwise (RFC 5652 section 5.4).
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

// wrapped is base64 as it is served.
func wrapped(b []byte) []byte {
	text := base64.StdEncoding.AppendEncode(nil, b)
	return bytes.Join(slices.Collect(slices.Chunk(text, lineLength)), []byte("\n"))
}
