package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
)

// specOf says which credentials a configuration asks for.
func specOf(c *config.Config) credentials.Spec {
	return credentials.Spec{
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
		Mock:              c.Credentials.Mock,
		RefreshBefore:     c.Credentials.RefreshBefore,
	}
}

// sessionName is the configured one, or the instance id, as on EC2.
func sessionName(c *config.Config) string {
	if c.Credentials.SessionName != "" {
		return c.Credentials.SessionName
	}
	return c.EC2.InstanceID
}

// credentialSource gives the service's documents of a keeper's credentials, and its errors.
type credentialSource struct {
	keeper    *credentials.Keeper
	documents *credentials.Encoded[imds.Credentials]
}

// newCredentialSource names account for credentials that do not tell theirs.
func newCredentialSource(keeper *credentials.Keeper, account string) *credentialSource {
	return &credentialSource{keeper, credentials.NewEncoded(keeper, func(c *credentials.Credentials) *imds.Credentials {
		return imds.NewCredentials(c.AccessKeyID, c.SecretAccessKey, c.SessionToken, cmp.Or(c.AccountID, account), c.Expiration, c.LastUpdated)
	})}
}

// Credentials gives the document of what the keeper holds.
func (s *credentialSource) Credentials(ctx context.Context) (*imds.Credentials, error) {
	document, err := s.documents.Get(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
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
