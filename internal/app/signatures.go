package app

import (
	"context"
	"fmt"
	"sync/atomic"

	"mock-ec2-metadata/internal/identity"
)

// signatures are those of one document, made on the first request.
type signatures struct {
	identity *identity.Identity
	document []byte
	made     atomic.Pointer[identity.Signatures]
}

// Signature returns pkcs7, rsa2048 or signature; the same bytes each time.
func (s *signatures) Signature(ctx context.Context, name string) ([]byte, error) {
	if s.made.Load() == nil {
		made, err := s.identity.Sign(ctx, s.document)
		if err != nil {
			return nil, fmt.Errorf("signing the identity document: %w", err)
		}
		s.made.CompareAndSwap(nil, made)
	}
	switch made := s.made.Load(); name {
	case "pkcs7":
		return made.PKCS7, nil
	case "rsa2048":
		return made.RSA2048, nil
	case "signature":
		return made.Signature, nil
	default:
		return nil, fmt.Errorf("no signature is called %s", name)
	}
}
