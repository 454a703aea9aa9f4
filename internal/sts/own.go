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
func (p *Provider) ownCredentials(ctx context.Context, client *awssts.Client, source aws.Credentials) (*credentials.Credentials, error) {
	if source.SessionToken == "" {
		c, err := p.getSessionToken(ctx, client, p.spec.Duration)
		if err == nil {
			c.AccountID = source.AccountID
		}
		return c, err
	}
	if p.spec.MFASerial != "" {
		return nil, badProfile("%s has temporary keys, for which STS accepts no MFA code; set %s to \"\", or set %s to a role that they may assume",
			p.profile(), p.key("mfa_serial"), p.key("iam_role"))
	}
	if !source.CanExpire {
		return nil, badProfile("%s has temporary keys (aws_session_token) that do not say when they expire, so they cannot be handed out; "+
			"use a source that does (SSO, credential_process), or set %s to a role that they may assume", p.profile(), p.key("iam_role"))
	}
	now, expires := p.opt.Now(), source.Expires.UTC().Truncate(time.Second) // as clients will read it
	if !expires.After(now) {
		return nil, badProfile("the credentials of %s expired at %s; renew them, or set this machine's clock (%s)",
			p.profile(), expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
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
func (p *Provider) getSessionToken(ctx context.Context, client *awssts.Client, d time.Duration) (*credentials.Credentials, error) {
	in := &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(int32(d / time.Second))} //nolint:gosec // at most 12 h
	if p.spec.MFASerial != "" {
		code, err := takeCode(ctx, p.spec.MFASerial)
		if err != nil {
			return nil, err
		}
		in.SerialNumber, in.TokenCode = aws.String(p.spec.MFASerial), aws.String(code)
	}
	out, err := client.GetSessionToken(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.fromSTS(out.Credentials)
}
