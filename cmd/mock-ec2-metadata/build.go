package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/identity"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// build makes the instance and the tree that a configuration describes.
func build(l *config.Loaded) (*instance.Instance, *tree.Snapshot, error) {
	in := instance.New(l.Config, l.UserData)
	if e, ok := errors.AsType[*instance.KeyError](in.Check()); ok {
		return nil, nil, l.Problem(e.Key, "%s", e.Reason)
	}
	snapshot, err := tree.New(in, l.Config.Metadata)
	if e, ok := errors.AsType[*tree.PathError](err); ok {
		err = l.Problem("metadata."+e.Path, "%s", e.Reason)
	}
	return in, snapshot, err
}

// newIdentity makes what signs the identity document.
func newIdentity(l *config.Loaded, log *slog.Logger, now func() time.Time) (*identity.Identity, error) {
	c := l.Config.Identity
	id, err := identity.New(identity.Options{KeyFile: c.KeyFile, CertFile: c.CertFile, StateDir: c.StateDir, Log: log, Now: now})
	if err == nil {
		return id, nil
	}
	for _, key := range []string{"identity.key_file", "identity.cert_file"} {
		if reason, ok := strings.CutPrefix(err.Error(), key+" "); ok {
			return nil, l.Problem(key, "%s", reason)
		}
	}
	return nil, err
}

// signatures are those of one document, made when they are first asked for.
type signatures struct {
	identity *identity.Identity
	document []byte
	made     atomic.Pointer[identity.Signatures]
}

// Signature gives pkcs7, rsa2048 or signature; the same bytes each time.
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
