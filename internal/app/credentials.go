package app

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/identity"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/podidentity"
)

// SpecOf are the credentials that a configuration asks for.
func SpecOf(c *config.Config) credentials.Spec { return specOf(&c.Instance) }

// specOf are the credentials of an instance.
func specOf(c *config.Instance) credentials.Spec {
	return credentials.Spec{
		Profile:           c.Credentials.SourceProfile,
		Region:            c.AWS.Region,
		RoleARN:           c.Credentials.IAMRole,
		SessionName:       sessionName(c),
		Duration:          c.Credentials.Duration,
		RefreshBefore:     c.Credentials.RefreshBefore,
		ExternalID:        c.Credentials.ExternalID.Reveal(),
		SourceIdentity:    c.Credentials.SourceIdentity,
		SessionTags:       c.Credentials.SessionTags,
		TransitiveTagKeys: c.Credentials.TransitiveTagKeys,
		Policy:            c.Credentials.Policy,
		PolicyARNs:        c.Credentials.PolicyARNs,
		MFASerial:         c.Credentials.MFASerial,
		Mock:              c.Credentials.Mock,
		Cache:             c.Credentials.Cache == "disk",
	}
}

// cacheDir is where credentials.cache keeps credentials on disk; "" without a home directory.
func cacheDir(c *config.Config) string {
	state := cmp.Or(c.Identity.StateDir, identity.DefaultStateDir())
	if state == "" {
		return ""
	}
	return filepath.Join(state, "credentials")
}

// sessionName is the configured one, or the instance id, as on EC2.
func sessionName(c *config.Instance) string {
	if c.Credentials.SessionName != "" {
		return c.Credentials.SessionName
	}
	return c.EC2.InstanceID
}

// denied is the source of credentials that a client does not get.
type denied struct{ err *imds.CredentialError }

// Credentials always fails.
func (d denied) Credentials(context.Context) (*imds.Credentials, error) { return nil, d.err }

// credentialSource makes the service's documents from a keeper's credentials, one per renewal.
type credentialSource struct {
	keeper    *credentials.Keeper
	encoded   *credentials.Encoded[imds.Credentials]
	container *credentials.Encoded[ecs.Credentials]
	pod       *credentials.Encoded[podidentity.Credentials]
}

// newCredentialSource makes the source of the credentials of an instance.
func newCredentialSource(keeper *credentials.Keeper, in *config.Instance) *credentialSource {
	account, role := in.AWS.AccountID, in.Credentials.IAMRole
	return &credentialSource{
		keeper,
		credentials.NewEncoded(keeper, func(c *credentials.Credentials) *imds.Credentials {
			id := cmp.Or(c.AccountID, account) // of the instance, for credentials that do not tell theirs
			return imds.NewCredentials(c.AccessKeyID, c.SecretAccessKey, c.SessionToken, id, c.Expiration, c.LastUpdated)
		}),
		credentials.NewEncoded(keeper, func(c *credentials.Credentials) *ecs.Credentials {
			return ecs.NewCredentials(cmp.Or(role, c.ARN), c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expiration)
		}),
		credentials.NewEncoded(keeper, func(c *credentials.Credentials) *podidentity.Credentials {
			session, _ := arn.Parse(c.ARN) // of a target role's account, if there is one
			id := cmp.Or(session.AccountID, c.AccountID, account)
			return podidentity.NewCredentials(c.AccessKeyID, c.SecretAccessKey, c.SessionToken, id, c.Expiration)
		}),
	}
}

// Credentials returns the document of the keeper's credentials.
func (s *credentialSource) Credentials(ctx context.Context) (*imds.Credentials, error) {
	document, err := s.encoded.Get(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	return document, nil
}

// explain turns a keeper's error into the service's.
func (s *credentialSource) explain(err error) error {
	e, ok := errors.AsType[*credentials.Error](err)
	if !ok {
		return err
	}
	at := s.keeper.State().LastAttempt
	if at.IsZero() {
		at = time.Now()
	}
	return &imds.CredentialError{Code: e.Code, Message: e.Message, Temporary: e.Temporary, LastUpdated: at}
}
