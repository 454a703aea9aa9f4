package sts

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/credentials"
)

// ownCredentials turns the profile's own credentials into ones to hand out. Long-lived keys never leave the daemon:
// GetSessionToken exchanges them for those of a session. Temporary ones are handed out unchanged.
func (a *Provider) ownCredentials(ctx context.Context, client *awssts.Client, source aws.Credentials) (*credentials.Credentials, error) {
	if source.SessionToken == "" {
		out, err := a.getSessionToken(ctx, client, a.spec.Duration)
		if err != nil {
			return nil, err
		}
		c, err := a.fromSTS(out.Credentials)
		if err == nil {
			c.AccountID = source.AccountID
		}
		return c, err
	}
	if a.spec.MFASerial != "" {
		return nil, &credentials.Error{Code: credentials.CodeProfile, Message: a.profile() +
			" has temporary keys, for which STS accepts no MFA code; remove credentials.mfa_serial, or set credentials.iam_role to a role that they may assume"}
	}
	if !source.CanExpire {
		return nil, &credentials.Error{Code: credentials.CodeProfile, Message: a.profile() +
			" has temporary keys (aws_session_token) that do not say when they expire, so they cannot be handed out; use a source that does (SSO, credential_process), or set credentials.iam_role to a role that they may assume"}
	}
	now, expires := a.opt.Now(), source.Expires.UTC().Truncate(time.Second) // as clients will read it
	if !expires.After(now) {
		return nil, &credentials.Error{Code: credentials.CodeProfile, Message: "the credentials of " + a.profile() + " expired at " +
			expires.Format(time.RFC3339) + "; renew them, or set this machine's clock (" + now.UTC().Format(time.RFC3339) + ")"}
	}
	return &credentials.Credentials{
		AccessKeyID:     source.AccessKeyID,
		SecretAccessKey: source.SecretAccessKey,
		SessionToken:    source.SessionToken,
		Expiration:      expires,
		LastUpdated:     now.UTC().Truncate(time.Second),
		AccountID:       source.AccountID,
	}, nil
}

// getSessionToken opens a session of the long-lived keys that client signs with, using an MFA code if a device is
// configured.
func (a *Provider) getSessionToken(ctx context.Context, client *awssts.Client, d time.Duration) (*awssts.GetSessionTokenOutput, error) {
	in := &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(int32(d / time.Second))} //nolint:gosec // at most 12 h
	if a.spec.MFASerial != "" {
		code, err := takeCode(ctx, a.spec.MFASerial)
		if err != nil {
			return nil, err
		}
		in.SerialNumber, in.TokenCode = aws.String(a.spec.MFASerial), aws.String(code)
	}
	return client.GetSessionToken(ctx, in)
}
