package credentials

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// mfaSession is the lifetime of a session opened with an MFA code. All calls of AssumeRole in that time need no further
// code.
const mfaSession = 12 * time.Hour

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
	text   string     // "" once used
	serial string     // of the device that it was used for
}

// WithMFACode adds an MFA code to the context of a call.
func WithMFACode(ctx context.Context, code string) context.Context {
	return context.WithValue(ctx, mfaCodeKey{}, &mfaCode{text: code})
}

// codeNeeded says that the context has no unused code for a device.
type codeNeeded struct{ serial string }

func (e *codeNeeded) Error() string { return "no code of the MFA device " + e.serial }

// takeMFACode returns the context's code and marks it as used.
func takeMFACode(ctx context.Context, serial string) (string, error) {
	code, ok := ctx.Value(mfaCodeKey{}).(*mfaCode)
	if !ok {
		return "", &codeNeeded{serial}
	}
	code.mu.Lock()
	defer code.mu.Unlock()
	if code.text == "" {
		return "", &codeNeeded{serial}
	}
	text := code.text
	code.text, code.serial = "", serial
	return text, nil
}

// mfaCodeUsedFor returns the device that the context's code was used for; "" if it was not used.
func mfaCodeUsedFor(ctx context.Context) string {
	code, ok := ctx.Value(mfaCodeKey{}).(*mfaCode)
	if !ok {
		return ""
	}
	code.mu.Lock()
	defer code.mu.Unlock()
	return code.serial
}

// describeMFA explains a code that is missing or was refused; nil if err has another cause.
func (a *STS) describeMFA(ctx context.Context, err error) error {
	const way = "mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	if needed, ok := errors.AsType[*codeNeeded](err); ok {
		return &NeedsMFA{Serial: needed.serial, Reason: &Error{
			Code:    codeUnauthorized,
			Message: fmt.Sprintf("waiting for MFA: %s needs a code of the device %s; run: %s", a.profile(), needed.serial, way),
		}}
	}
	serial := mfaCodeUsedFor(ctx)
	api, ok := errors.AsType[smithy.APIError](err)
	if serial == "" || !ok || api.ErrorCode() != "AccessDenied" || !strings.Contains(api.ErrorMessage(), "MultiFactorAuthentication") {
		return nil
	}
	return &NeedsMFA{Serial: serial, Reason: &Error{
		Code:    codeUnauthorized,
		Message: fmt.Sprintf("STS refuses the code of the MFA device %s (%s); run again, with the next code: %s", serial, apiText(api), way),
	}}
}

// profileMFA passes the context's code to the SDK when the profile assumes a role of its own. It also raises the
// duration from the SDK's 15 minutes to one hour, the AWS CLI's default, so that users enter codes less often.
func profileMFA(ctx context.Context, profile *awsconfig.SharedConfig) func(*stscreds.AssumeRoleOptions) {
	timed := false
	for p := range chain(profile) {
		timed = timed || p.RoleDurationSeconds != nil
	}
	return func(o *stscreds.AssumeRoleOptions) {
		o.TokenProvider = func() (string, error) { return takeMFACode(ctx, aws.ToString(o.SerialNumber)) }
		if !timed {
			o.Duration = time.Hour
		}
	}
}

// usesMFA reports whether a profile of the chain has an MFA device.
func usesMFA(profile *awsconfig.SharedConfig) bool {
	for p := range chain(profile) {
		if p.MFASerial != "" {
			return true
		}
	}
	return false
}

// authenticated returns the credentials that call AssumeRole when credentials.mfa_serial is set. Long-lived keys open a
// session with the code, which outlives the role's: renewals need no further code. Temporary keys cannot, so that in
// gets the code.
func (a *STS) authenticated(ctx context.Context, client *sts.Client, source aws.Credentials, in *sts.AssumeRoleInput) (aws.Credentials, error) {
	if source.SessionToken != "" {
		code, err := takeMFACode(ctx, a.spec.MFASerial)
		in.SerialNumber, in.TokenCode = aws.String(a.spec.MFASerial), aws.String(code)
		return source, err
	}
	return a.opt.Sessions.get(fingerprint("credentials.mfa_serial", a.spec.MFASerial, source), a.opt.Now, func() (aws.Credentials, error) {
		out, err := a.getSessionToken(ctx, client, mfaSession)
		if err != nil {
			return aws.Credentials{}, err
		}
		c, err := a.fromSTS(out.Credentials)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, CanExpire: true, Expires: c.Expiration,
		}, nil
	})
}

// Sessions caches the sessions that MFA codes have opened, so that users enter one code per session. Providers come and
// go with reloads; all of a daemon share one Sessions. The zero value is ready to use.
type Sessions struct {
	mu   sync.Mutex                 // guards open; not held while a session is opened
	open map[string]aws.Credentials // by fingerprint of everything that decides their identity
}

// get returns the session of that key. It opens one if there is none that lasts another minute.
func (s *Sessions) get(key string, now func() time.Time, open func() (aws.Credentials, error)) (aws.Credentials, error) {
	s.mu.Lock()
	c, ok := s.open[key]
	s.mu.Unlock()
	if ok && c.Expires.After(now().Add(time.Minute)) {
		return c, nil
	}
	c, err := open()
	if err != nil || !c.CanExpire {
		return c, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.open, func(_ string, old aws.Credentials) bool { return !old.Expires.After(now()) })
	if s.open == nil {
		s.open = map[string]aws.Credentials{}
	}
	s.open[key] = c
	return c, nil
}

// forget drops all sessions, after STS has rejected one.
func (s *Sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = nil
}

// fingerprint is a hash of values, which contain secrets.
func fingerprint(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}
