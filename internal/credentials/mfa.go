package credentials

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"time"
)

// NeedsMFA says that a call must be repeated with an MFA code, by WithMFACode.
type NeedsMFA struct {
	Reason *Error
	// Serial is the device's serial number or ARN.
	Serial string
}

func (e *NeedsMFA) Error() string { return e.Reason.Message }

// Unwrap makes errors.As find the *Error.
func (e *NeedsMFA) Unwrap() error { return e.Reason }

var mfaCodeForm = regexp.MustCompile(`^[0-9]{6}$`)

// CheckMFACode checks the form of a code that a user has typed (STS API reference, AssumeRole, TokenCode).
func CheckMFACode(code string) error {
	if !mfaCodeForm.MatchString(code) {
		return errors.New("an MFA code has 6 digits")
	}
	return nil
}

type mfaCodeKey struct{}

// mfaCode is a code for one call of STS, which accepts a code only once.
type mfaCode struct {
	mu     sync.Mutex // guards the fields: the SDK may ask for the code in another goroutine
	text   string     // "" once taken
	serial string     // of the device that it was taken for
}

// WithMFACode adds an MFA code to the context of a call of a Provider, for TakeMFACode.
func WithMFACode(ctx context.Context, code string) context.Context {
	return context.WithValue(ctx, mfaCodeKey{}, &mfaCode{text: code})
}

// codeOf returns the context's code; an empty one if there is none.
func codeOf(ctx context.Context) *mfaCode {
	if code, ok := ctx.Value(mfaCodeKey{}).(*mfaCode); ok {
		return code
	}
	return &mfaCode{}
}

// TakeMFACode takes the code of a context for the device of that serial number or ARN. It returns false if there is none, or
// if it has been taken before. It may be called concurrently.
func TakeMFACode(ctx context.Context, serial string) (text string, ok bool) {
	code := codeOf(ctx)
	code.mu.Lock()
	defer code.mu.Unlock()
	text = code.text
	if text != "" {
		code.text, code.serial = "", serial
	}
	return text, text != ""
}

// MFACodeTakenFor returns the device that the context's code was taken for; "" if it was not taken.
func MFACodeTakenFor(ctx context.Context) (serial string) {
	code := codeOf(ctx)
	code.mu.Lock()
	defer code.mu.Unlock()
	return code.serial
}

// answer is an MFA code and where to report how the call with it ended.
type answer struct {
	text  string
	ended chan<- *Error // has room for one
}

// Answer makes the call that needs an MFA code, with this code. It fails with an *Error if STS refuses the code, if the
// call fails, if no code is wanted or if the keeper has been stopped, and with the context's error if ctx is done
// first.
func (k *Keeper) Answer(ctx context.Context, code string) error {
	k.mu.RLock()
	k.use(time.Now())
	wanted, done := k.needsMFA != nil, k.done
	k.mu.RUnlock()
	if !wanted {
		return noCodeWanted()
	}
	stopped := &Error{Code: CodeFailed, Message: "the configuration has been reloaded; if a code is still wanted, give the next one"}
	ended := make(chan *Error, 1)
	select {
	case k.answers <- answer{code, ended}:
	case <-done:
		return stopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-ended:
		if err != nil {
			return err
		}
		return nil
	case <-done:
		return stopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func noCodeWanted() *Error { return &Error{Code: CodeFailed, Message: "no MFA code is wanted now"} }
