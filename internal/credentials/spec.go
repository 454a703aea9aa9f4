package credentials

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"mock-ec2-metadata/internal/caller"
)

// Spec says which credentials to get and how to keep them. Its map and slices must not change once it is in use. The
// names are those of the STS API reference; zero values are left out of the call. No way of printing a Spec shows
// ExternalID.
type Spec struct {
	// Profile of the shared config files makes the call; "" is the SDK's default chain.
	Profile string
	// Region whose STS endpoint is called. AWS_ENDPOINT_URL_STS overrides the endpoint.
	Region string
	// RoleARN is the role to assume; "" hands out the profile's own credentials. With a Target, it only assumes that one.
	RoleARN     string
	SessionName string
	// Duration that STS is asked for, at most 12 hours. With a Target it is an hour at most, STS's limit for it.
	Duration          time.Duration
	ExternalID        string // a secret
	SourceIdentity    string
	SessionTags       map[string]string
	TransitiveTagKeys []string
	// Policy is an inline session policy (JSON); PolicyARNs are managed ones.
	Policy     string
	PolicyARNs []string
	// MFASerial is the MFA device of the profile's user; WithMFACode passes its codes.
	MFASerial string
	// Mock makes up credentials of the IssuedRole and calls no service.
	Mock bool
	// RefreshBefore is how long before expiry a Keeper refreshes the credentials.
	RefreshBefore time.Duration
	// Cache keeps a role's credentials on disk for the next run, see PoolOptions.CacheDir.
	Cache bool
	// Target is the role that RoleARN assumes in turn. It needs a RoleARN.
	Target Target
	// Session tells apart sessions whose inputs are equal otherwise; "" for the one of all clients.
	Session string
	// Entry is the entry of the configuration that asks for the credentials; "" is the file's own. It is no input of the call, and
	// no part of Key: equal entries share a Keeper.
	Entry string
	// Subject is whom a cluster's credentials are first got for; nil elsewhere. It is no input of the call, and no part of Key.
	Subject *caller.Subject
}

// SessionARN is the ARN that STS gives the session of the IssuedRole; "" without a role.
func (s Spec) SessionARN() string {
	role, err := arn.Parse(s.IssuedRole())
	if err != nil {
		return ""
	}
	name := role.Resource[strings.LastIndexByte(role.Resource, '/')+1:] // the path is not part of it
	role.Service = "sts"
	role.Resource = "assumed-role/" + name + "/" + s.SessionName
	return role.String()
}

// String names the role, its target and the profile.
func (s Spec) String() string {
	if s.Target.RoleARN != "" {
		return fmt.Sprintf("spec of role %q by role %q by profile %q [redacted]", s.Target.RoleARN, s.RoleARN, s.Profile)
	}
	return fmt.Sprintf("spec of role %q by profile %q [redacted]", s.RoleARN, s.Profile)
}

// Format redacts under every verb, %#v and %x included.
func (s Spec) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue redacts in logs.
func (s Spec) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts in JSON and other encodings.
func (s Spec) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
