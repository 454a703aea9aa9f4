package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
)

// newProvider makes the source of the credentials that a configuration asks for.
func newProvider(c *config.Config, origin string, sessions *credentials.Sessions, log *slog.Logger, now func() time.Time) credentials.Provider {
	if c.Credentials.Mock {
		return &credentials.Mock{
			ARN:      sessionARN(c),
			Lifetime: c.Credentials.Duration,
			Now:      now,
		}
	}
	return newSTS(c, origin, sessions, log, now)
}

func newSTS(c *config.Config, origin string, sessions *credentials.Sessions, log *slog.Logger, now func() time.Time) *credentials.STS {
	return credentials.NewSTS(credentials.Options{
		Profile:           c.Credentials.SourceProfile,
		Region:            c.AWS.Region,
		RoleARN:           c.Credentials.IAMRole,
		SessionName:       sessionName(c),
		Duration:          c.Credentials.Duration,
		ExternalID:        c.Credentials.ExternalID.Reveal(),
		SourceIdentity:    c.Credentials.SourceIdentity,
		SessionTags:       c.Credentials.SessionTags,
		TransitiveTagKeys: c.Credentials.TransitiveTagKeys,
		Policy:            c.Credentials.Policy,
		PolicyARNs:        c.Credentials.PolicyARNs,
		MFASerial:         c.Credentials.MFASerial,
		Sessions:          sessions,
		Origin:            origin,
	}, log, now)
}

// sessionARN is what the session of the configured role is called, which STS says too.
func sessionARN(c *config.Config) string {
	role, err := arn.Parse(c.Credentials.IAMRole)
	if err != nil { // validated
		return ""
	}
	role.Service = "sts"
	role.Resource = "assumed-role/" + instance.RoleName(c.Credentials.IAMRole) + "/" + sessionName(c)
	return role.String()
}

// sessionName is the configured one, or the instance id, as on EC2.
func sessionName(c *config.Config) string {
	if c.Credentials.SessionName != "" {
		return c.Credentials.SessionName
	}
	return c.EC2.InstanceID
}

// credentialSource makes the service's documents out of a keeper's credentials, once a renewal.
type credentialSource struct {
	keeper  *credentials.Keeper
	account string // the instance's, for credentials that do not tell theirs
	last    atomic.Pointer[encoded]
}

type encoded struct {
	from *credentials.Credentials
	to   *imds.Credentials
}

// Credentials gives the document of what the keeper holds.
func (s *credentialSource) Credentials(ctx context.Context) (*imds.Credentials, error) {
	c, err := s.keeper.Get(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	if last := s.last.Load(); last != nil && last.from == c {
		return last.to, nil
	}
	account := c.AccountID
	if account == "" {
		account = s.account
	}
	document := imds.NewCredentials(c.AccessKeyID, c.SecretAccessKey, c.SessionToken, account, c.Expiration, c.LastUpdated)
	s.last.Store(&encoded{c, document})
	return document, nil
}

// explain turns a keeper's error into the service's.
func (s *credentialSource) explain(err error) error {
	var e *credentials.Error
	if !errors.As(err, &e) {
		return err
	}
	at := s.keeper.State().LastAttempt
	if at.IsZero() {
		at = time.Now()
	}
	return &imds.CredentialError{Code: e.Code, Message: e.Message, Temporary: e.Temporary, LastUpdated: at}
}
