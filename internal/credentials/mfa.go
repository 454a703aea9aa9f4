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

// mfaSession is the life of a session that a code opens for a role to be assumed with: one code lasts that long.
const mfaSession = 12 * time.Hour

// NeedsMFA is why a call has to be made again with a code that an MFA device shows, by WithMFACode.
type NeedsMFA struct {
	Reason *Error
	// Serial is the device's serial number or ARN.
	Serial string
}

func (e *NeedsMFA) Error() string { return e.Reason.Message }

// Unwrap makes it an *Error as all others.
func (e *NeedsMFA) Unwrap() error { return e.Reason }

var mfaCodeForm = regexp.MustCompile(`^[0-9]{6}$`)

// CheckMFACode says what is wrong with a code that somebody has typed (STS API reference, AssumeRole, TokenCode).
func CheckMFACode(code string) error {
	if !mfaCodeForm.MatchString(code) {
		return errors.New("an MFA code has 6 digits")
	}
	return nil
}

type mfaCodeKey struct{}

// mfaCode is a code on its way to the one call that uses it up.
type mfaCode struct {
	mu     sync.Mutex
	text   string
	serial string // the device that it was used for
}

// WithMFACode gives a call the code that an MFA device shows.
func WithMFACode(ctx context.Context, code string) context.Context {
	return context.WithValue(ctx, mfaCodeKey{}, &mfaCode{text: code})
}

// codeNeeded says that a device's code is needed and none is at hand.
type codeNeeded struct{ serial string }

func (e *codeNeeded) Error() string { return "no code of the MFA device " + e.serial }

// takeMFACode uses the context's code up.
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

// mfaCodeUsedFor is the device that the context's code was used for, "" if it was not.
func mfaCodeUsedFor(ctx context.Context) string {
	code, ok := ctx.Value(mfaCodeKey{}).(*mfaCode)
	if !ok {
		return ""
	}
	code.mu.Lock()
	defer code.mu.Unlock()
	return code.serial
}

// describeMFA explains a code that is missing or was refused; nil if that is not what is wrong.
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
		Message: fmt.Sprintf("STS refuses the code of the MFA device %s (%s); run again, with the next code: %s", serial, said(api), way),
	}}
}

// profileMFA lets the profile itself assume its role with an MFA code, and for an hour as the AWS CLI does, where the SDK's
// 15 minutes would have people asked four times as often.
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

// usesMFA says whether a profile, or one that it builds on, asks for a code.
func usesMFA(profile *awsconfig.SharedConfig) bool {
	for p := range chain(profile) {
		if p.MFASerial != "" {
			return true
		}
	}
	return false
}

// authenticated gives the credentials that assume the role with credentials.mfa_serial. Long-lived keys open a session for
// that, which lasts longer than the role's, so that renewals need no further code; others cannot, and send the code with
// AssumeRole itself.
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
		c, err := a.issued(out.Credentials)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, CanExpire: true, Expires: c.Expiration,
		}, nil
	})
}

// Sessions keeps the sessions that MFA codes have opened, so that nobody is asked again while they last. One serves all
// providers of a daemon: a reload makes new ones.
type Sessions struct {
	mu   sync.Mutex
	open map[string]aws.Credentials // by fingerprint of all that decides whose they are
}

// get gives the session of that key, and opens one if there is none that lasts another minute.
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

// forget is for sessions that STS no longer takes.
func (s *Sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = nil
}

// fingerprint identifies values without holding them.
func fingerprint(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}
