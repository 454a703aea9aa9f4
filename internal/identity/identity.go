// Package identity owns the key pair that signs the instance identity document, and the signatures.
//
// Only AWS has the private keys of the real service. A verifier accepts the signatures of this package once it has our
// certificate (Vault: auth/aws/config/certificate/NAME). They differ from the real ones (imds-reference section 6.5):
//
//   - The CMS messages are DER; the real ones are BER of indefinite length.
//   - One RSA key makes all signatures; the real service has a key for each kind.
//   - pkcs7 is the same as rsa2048; the real one is DSA with SHA-1, which current verifiers reject.
package identity

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Options select the key pair. Log and Now are required.
type Options struct {
	// KeyFile and CertFile are PEM files of an RSA key and its certificate; both or neither.
	KeyFile, CertFile string
	// StateDir is where the daemon saves a key pair that it made; "" is DefaultStateDir. Unused with KeyFile.
	StateDir string
	Log      *slog.Logger
	// Now is the clock for the signing time and for the certificate's validity.
	Now func() time.Time
}

// Identity signs with one key pair, which it loads or makes on first use. Its methods may be called concurrently.
type Identity struct {
	opt       Options
	fromFiles *pair // of KeyFile and CertFile; nil without

	mu      sync.Mutex // guards the fields below, so that one attempt runs at a time
	attempt *attempt   // in progress or successful; nil otherwise
	failure error      // of the last attempt
}

// attempt loads or makes the key pair, once for all waiting callers. pair and err are set before done is closed.
type attempt struct {
	done chan struct{}
	pair *pair
	err  error
}

// New reads KeyFile and CertFile, if set. Its error names the file and the fix. Otherwise it does nothing yet: making a
// key would delay the daemon's start.
func New(opt Options) (*Identity, error) {
	if opt.StateDir == "" {
		opt.StateDir = DefaultStateDir()
	}
	i := &Identity{opt: opt}
	if opt.KeyFile != "" || opt.CertFile != "" {
		var err error
		if i.fromFiles, err = loadFiles(opt.KeyFile, opt.CertFile); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// Prepare loads or makes the key pair in the background, so that no request waits for it. It logs a failure.
func (i *Identity) Prepare() { i.start(true) }

// Wait waits for an attempt in progress, which may still write files.
func (i *Identity) Wait() {
	i.mu.Lock()
	a := i.attempt
	i.mu.Unlock()
	if a != nil {
		<-a.done
	}
}

// Signatures of one document, as the service returns them: base64 in lines of 76 characters, separated by LF, without PEM
// armour and final newline (imds-reference section 6.5). They are not secret.
type Signatures struct {
	// Signature is RSA PKCS#1 v1.5 with SHA-256 over the document.
	Signature []byte
	// PKCS7 and RSA2048 are the same CMS message, which contains the document.
	PKCS7, RSA2048 []byte
}

// Sign signs the bytes of document as they are. It waits for the key pair. If ctx is done first, it returns the context's
// error and the attempt continues. Two signatures of one document differ only in the signing time.
func (i *Identity) Sign(ctx context.Context, document []byte) (*Signatures, error) {
	p, err := i.pair(ctx)
	if err != nil {
		return nil, err
	}
	signature, err := p.sign(document)
	if err != nil {
		return nil, err
	}
	message, err := signedMessage(p, document, i.opt.Now())
	if err != nil {
		return nil, err
	}
	cms := base64Lines(message)
	return &Signatures{Signature: base64Lines(signature), PKCS7: cms, RSA2048: cms}, nil
}

// CertificatePEM returns the certificate that verifies the signatures, as one PEM block: Vault accepts no more. It waits
// as Sign does.
func (i *Identity) CertificatePEM(ctx context.Context) ([]byte, error) {
	p, err := i.pair(ctx)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: p.cert.Raw}), nil
}

// Persistent reports whether the key pair is in files, so that other processes have the same one. It waits as Sign does.
func (i *Identity) Persistent(ctx context.Context) (bool, error) {
	p, err := i.pair(ctx)
	return err == nil && !p.volatile, err
}

// Failure returns why the last attempt to get the key pair failed; nil if it succeeded.
func (i *Identity) Failure() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.failure
}

// Format redacts the key pair under every verb, %#v included.
func (i *Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "identity [redacted]") }

// pair waits for the key pair.
func (i *Identity) pair(ctx context.Context) (*pair, error) {
	a := i.start(false)
	select {
	case <-a.done: // even if ctx is done too
		return a.pair, a.err
	default:
	}
	select {
	case <-a.done:
		return a.pair, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start returns the attempt that is in progress or has succeeded, or begins a new one. Failed attempts are repeated, so
// that a fix needs no restart.
func (i *Identity) start(logFailure bool) *attempt {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.attempt == nil {
		i.attempt = &attempt{done: make(chan struct{})}
		go i.run(i.attempt, logFailure)
	}
	return i.attempt
}

func (i *Identity) run(a *attempt, logFailure bool) {
	a.pair, a.err = i.obtain()
	if a.err != nil && logFailure {
		i.opt.Log.Error("the identity document cannot be signed", "error", a.err)
	}
	i.mu.Lock()
	i.failure = a.err
	if a.err != nil {
		i.attempt = nil
	}
	i.mu.Unlock()
	close(a.done)
}

// obtain loads the key pair from the files or from the state directory, or makes it.
func (i *Identity) obtain() (*pair, error) {
	p := i.fromFiles
	if p == nil {
		var err error
		if p, err = loadOrMake(i.opt.StateDir, i.opt.Now(), i.opt.Log); err != nil {
			return nil, err
		}
	}
	if now := i.opt.Now(); now.Before(p.cert.NotBefore) || now.After(p.cert.NotAfter) {
		i.opt.Log.Warn("the identity certificate is not valid now", "from", p.cert.NotBefore, "until", p.cert.NotAfter, "now", now.UTC(),
			"hint", "verifiers reject the signatures; set the clock, or renew the certificate")
	}
	return p, nil
}
