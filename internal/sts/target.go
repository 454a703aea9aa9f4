package sts

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"mock-ec2-metadata/internal/credentials"
)

// targetError marks a failure of the second of two calls: of assuming Spec.Target by the session of the first role.
type targetError struct{ err error }

func (e *targetError) Error() string { return e.err.Error() }
func (e *targetError) Unwrap() error { return e.err }

// isTarget reports whether the second of two calls failed.
func isTarget(err error) bool {
	_, ok := errors.AsType[*targetError](err)
	return ok
}

// duration is what calls of AssumeRole ask for. With a target the first session serves one call, and STS gives the second an hour
// at most: it is the caller of a role chain.
func (p *Provider) duration() time.Duration {
	if p.reduced.Load() || p.spec.Target.RoleARN != "" {
		return min(p.spec.Duration, chainedDuration)
	}
	return p.spec.Duration
}

// checkTarget refuses half a target. Without its role, an external id or a policy of the target would not count.
func (p *Provider) checkTarget() error {
	half := p.spec.RoleARN == "" || p.spec.Target.RoleARN == ""
	if p.spec.Target != (credentials.Target{}) && half {
		return failed("a target role needs a role that assumes it, and its external id and policy need a target role; set role and target_role")
	}
	return nil
}

// assumeTarget assumes the target by the first role's session. STS passes the transitive tags and the source identity on by itself.
func (p *Provider) assumeTarget(ctx context.Context, cfg aws.Config, first *credentials.Credentials) (*credentials.Credentials, error) {
	cfg.Credentials = static(aws.Credentials{
		AccessKeyID: first.AccessKeyID, SecretAccessKey: first.SecretAccessKey, SessionToken: first.SessionToken,
	})
	out, err := awssts.NewFromConfig(cfg).AssumeRole(ctx, &awssts.AssumeRoleInput{
		RoleArn:         aws.String(p.spec.Target.RoleARN),
		RoleSessionName: aws.String(p.spec.SessionName),
		DurationSeconds: aws.Int32(int32(p.duration() / time.Second)), //nolint:gosec // at most 1 h
		ExternalId:      nonEmpty(p.spec.Target.ExternalID),
		Policy:          nonEmpty(p.spec.Target.Policy),
	})
	if err != nil {
		return nil, &targetError{err}
	}
	return p.fromAssumeRole(out)
}

// describeTarget explains an error response to the second call that says something else than that STS is busy. said is its text.
func (p *Provider) describeTarget(err error, api smithy.APIError, said string) *credentials.Error {
	first, target := p.spec.RoleARN, p.spec.Target.RoleARN
	switch {
	case api.ErrorCode() == "AccessDenied" && deniedAction(api) != assumeAction:
		return unauthorized("%s may not assume its target role %s (%s); the target's trust policy must allow %s to that role, and that role needs it on the target",
			first, target, said, deniedAction(api))
	case api.ErrorCode() == "AccessDenied":
		return unauthorized("%s may not assume its target role %s (%s); the target must exist, its trust policy must name that role and ask for no other "+
			"external id than target_external_id, and that role needs sts:AssumeRole on it", first, target, said)
	case keysRefused(api):
		return temporary("STS refuses the session that it has just issued of %s, which is to assume its target role %s (%s); check AWS_ENDPOINT_URL_STS",
			first, target, said)
	case api.ErrorCode() == "SignatureDoesNotMatch":
		if e := p.describeClock(err, said); e != nil {
			return e
		}
	}
	return failed("AssumeRole of the target role %s with %s was refused (%s)", target, first, said)
}

// assumeAction is the action of IAM policies that AssumeRole needs first.
const assumeAction = "sts:AssumeRole"

var toPerform = regexp.MustCompile(`is not authorized to perform: (sts:[A-Za-z]+)`)

// deniedAction is the action that AccessDenied names: sts:TagSession or sts:SetSourceIdentity if only that is not allowed.
func deniedAction(api smithy.APIError) string {
	if found := toPerform.FindStringSubmatch(api.ErrorMessage()); found != nil {
		return found[1]
	}
	return assumeAction
}
