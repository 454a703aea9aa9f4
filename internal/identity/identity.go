// Package identity owns the key pair that signs the instance identity document, and its signatures.
//
// The real service signs with keys that AWS alone has, so that nobody else can satisfy a verifier that holds AWS's
// certificates; a verifier that is given ours (Vault: auth/aws/config/certificate/NAME) accepts what this package signs.
// It differs from the real one in three things (imds-reference section 6.5): the CMS messages are DER, where the real ones
// are BER of indefinite length; one RSA key makes all signatures, where the real ones have a key each; and pkcs7 is made as
// rsa2048 is, where the real one is DSA with SHA-1, which today's verifiers refuse.
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

// Options say which key pair signs. Log and Now are required.
type Options struct {
	// KeyFile and CertFile are PEM files of an RSA key and its certificate; both or neither.
	KeyFile, CertFile string
	// StateDir is where a key pair that the daemon made is kept; "" is DefaultStateDir. Unused when there are files.
	StateDir string
	Log      *slog.Logger
	// Now is the clock of the signing time and of the certificate's validity.
	Now func() time.Time
}

// Identity signs with one key pair, which it loads or makes when first asked to. Its methods may be called concurrently.
type Identity struct {
	opt   Options
	given *pair // of KeyFile and CertFile; nil without

	mu      sync.Mutex
	attempt *attempt // the one under way, or the one that succeeded
	failure error    // of the last attempt
}

// An attempt gets the key pair, once for all who wait for it. pair and err are set when done is closed.
type attempt struct {
	done chan struct{}
	pair *pair
	err  error
}

// New reads KeyFile and CertFile and says what is wrong with them, in one message that names the file and the way out.
// Without files it does nothing yet: making a key takes longer than the daemon's start may.
func New(opt Options) (*Identity, error) {
	if opt.StateDir == "" {
		opt.StateDir = DefaultStateDir()
	}
	i := &Identity{opt: opt}
	if opt.KeyFile != "" || opt.CertFile != "" {
		var err error
		if i.given, err = loadFiles(opt.KeyFile, opt.CertFile); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// Prepare gets the key pair in the background, so that no request waits for it. It returns at once and logs a failure.
func (i *Identity) Prepare() { i.start(true) }

// Wait returns when no key pair is being got any more: until then files may still be written.
func (i *Identity) Wait() {
	i.mu.Lock()
	a := i.attempt
	i.mu.Unlock()
	if a != nil {
		<-a.done
	}
}

// Signatures of one document, as they are served: base64 in lines of 76 characters, parted by LF, without PEM armour and
// without a newline at the end (imds-reference section 6.5). They are not secret.
type Signatures struct {
	// Signature is RSA PKCS#1 v1.5 with SHA-256 over the document.
	Signature []byte
	// PKCS7 and RSA2048 are CMS messages that contain the document; the same message.
	PKCS7, RSA2048 []byte
}

// Sign signs the very bytes of document. It waits for the key pair if need be; when ctx ends first, its error is returned
// and the pair is made all the same. Two signatures of one document differ in nothing but the signing time.
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
	cms := wrapped(message)
	return &Signatures{Signature: wrapped(signature), PKCS7: cms, RSA2048: cms}, nil
}

// CertificatePEM returns the certificate that verifies the signatures: one PEM block, for Vault takes no more. It waits
// as Sign does.
func (i *Identity) CertificatePEM(ctx context.Context) ([]byte, error) {
	p, err := i.pair(ctx)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: p.cert.Raw}), nil
}

// Kept says whether another process has the same key pair: it is in files, or could be kept in the state directory. It
// waits as Sign does.
func (i *Identity) Kept(ctx context.Context) (bool, error) {
	p, err := i.pair(ctx)
	return err == nil && !p.volatile, err
}

// Failure is why the document could not be signed when that was last tried, nil otherwise.
func (i *Identity) Failure() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.failure
}

// Format redacts under every verb, %#v included: the key pair hangs on i.
func (i *Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "identity [redacted]") }

// pair waits for the key pair.
func (i *Identity) pair(ctx context.Context) (*pair, error) {
	a := i.start(false)
	select {
	case <-a.done: // even if ctx is done, too
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

// start joins the attempt that is under way or has succeeded, or begins a new one. One that failed is forgotten, so that
// mending what is wrong needs no restart.
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

// obtain gets the key pair from where Options say.
func (i *Identity) obtain() (*pair, error) {
	p := i.given
	if p == nil {
		var err error
		if p, err = kept(i.opt.StateDir, i.opt.Now(), i.opt.Log); err != nil {
			return nil, err
		}
	}
	if now := i.opt.Now(); now.Before(p.cert.NotBefore) || now.After(p.cert.NotAfter) {
		i.opt.Log.Warn("the identity certificate is not valid at this machine's time: verifiers will refuse the signatures; set the clock, or renew the certificate",
			"from", p.cert.NotBefore, "until", p.cert.NotAfter, "now", now.UTC())
	}
	return p, nil
}
