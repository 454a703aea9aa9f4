package sts

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/profile"
)

// mfaSession is the lifetime of a session opened with an MFA code. All calls of AssumeRole in that time need no further
// code.
const mfaSession = 12 * time.Hour

// codeNeeded says that the context has no unused code for a device.
type codeNeeded struct{ serial string }

func (e *codeNeeded) Error() string { return "no code of the MFA device " + e.serial }

// takeCode takes the context's code for a device. It fails with *codeNeeded if there is none.
func takeCode(ctx context.Context, serial string) (string, error) {
	code, ok := credentials.TakeMFACode(ctx, serial)
	if !ok {
		return "", &codeNeeded{serial}
	}
	return code, nil
}

// describeMFA explains a code that is missing or was refused; nil if err has another cause.
func (p *Provider) describeMFA(ctx context.Context, err error) error {
	const way = "mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	if needed, ok := errors.AsType[*codeNeeded](err); ok {
		return &credentials.NeedsMFA{Serial: needed.serial, Reason: unauthorized("waiting for MFA: %s needs a code of the device %s; run: %s",
			p.profile(), needed.serial, way)}
	}
	serial := credentials.MFACodeTakenFor(ctx)
	api, ok := errors.AsType[smithy.APIError](err)
	if serial == "" || !ok || api.ErrorCode() != "AccessDenied" || !strings.Contains(api.ErrorMessage(), "MultiFactorAuthentication") {
		return nil
	}
	return &credentials.NeedsMFA{Serial: serial, Reason: unauthorized("STS refuses the code of the MFA device %s (%s); run again, with the next code: %s",
		serial, apiText(api), way)}
}

// usesMFA reports whether a profile of the chain has an MFA device.
func usesMFA(first *profile.Profile) bool {
	for p := range chain(first) {
		if p.Role != nil && p.Role.MFASerial != "" {
			return true
		}
	}
	return false
}

// authenticated returns the credentials that call AssumeRole when credentials.mfa_serial is set. Long-lived keys open a
// session with the code, which outlives the role's: renewals need no further code. Temporary keys cannot, so that in
// gets the code.
func (p *Provider) authenticated(ctx context.Context, client *awssts.Client, source aws.Credentials, in *awssts.AssumeRoleInput) (aws.Credentials, error) {
	if source.SessionToken != "" {
		code, err := takeCode(ctx, p.spec.MFASerial)
		in.SerialNumber, in.TokenCode = aws.String(p.spec.MFASerial), aws.String(code)
		return source, err
	}
	return p.opt.Sessions.get(fingerprint("credentials.mfa_serial", p.spec.MFASerial, source), p.opt.Now, func() (aws.Credentials, error) {
		c, err := p.getSessionToken(ctx, client, mfaSession)
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

// forget drops the session with these credentials, after STS has rejected them.
func (s *Sessions) forget(c aws.Credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.open, func(_ string, open aws.Credentials) bool { return open.AccessKeyID == c.AccessKeyID })
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
