package app

import (
	"fmt"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// ListenAddress is where the daemon of a configuration listens first; flags are those of --listen. A nil configuration is
// wrong at the moment: the daemon goes on with the old one, so it says nothing about the address.
func ListenAddress(flags []string, loaded *config.Loaded) string {
	switch {
	case loaded != nil:
		return loaded.Config.Server.Listen[0]
	case len(flags) > 0:
		return flags[0]
	default:
		return config.DefaultListen
	}
}

// Places are where to look for a daemon that listens at an address. Unless a flag named it, the default address is the
// second place: the file may have changed, but a new address needs a restart.
func Places(flags []string, listen string) []string {
	if len(flags) > 0 || listen == config.DefaultListen {
		return []string{listen}
	}
	return []string{listen, config.DefaultListen}
}

// Mismatch says in which way the daemon at an address does not serve what a configuration describes; "" when it does, as far
// as its status tells.
func Mismatch(loaded *config.Loaded, listen string, s *api.Status) string {
	if loaded == nil {
		return ""
	}
	c := loaded.Config
	role, arn, mock := instance.RoleOf(&c.Instance), "", c.Credentials.Mock
	if c.Credentials.IAMRole != "" {
		arn = SpecOf(c).SessionARN()
	}
	if s.Switched != "" { // by the console: the daemon serves this configuration, though not its credentials
		role, arn = s.Role, ""
		if chosen, ok := c.Roles[s.Switched]; ok {
			mock, arn = chosen.Mock, SpecOfRole(loaded, s.Switched).SessionARN()
		}
	}
	same := s.InstanceID == c.EC2.InstanceID && s.Role == role && (s.Credentials.Source == "mock") == mock &&
		(arn == "" || s.Credentials.ARN == "" || s.Credentials.ARN == arn)
	if same {
		return ""
	}
	theirs, ours := s.Serves(), api.Describe(c.EC2.InstanceID, role, loaded.Name())
	if s.Credentials.ARN != "" && arn != "" {
		theirs, ours = theirs+" as "+s.Credentials.ARN, ours+" as "+arn
	}
	return fmt.Sprintf("the daemon at %s serves %s, but this configuration is of %s", api.URL(listen), theirs, ours)
}

// RoleMismatch says in which way the daemon at an address has another role of the same name than a configuration; "" when it has not,
// as far as its status tells.
func RoleMismatch(loaded *config.Loaded, listen string, s *api.Status, role string) string {
	ours := SpecOfRole(loaded, role).SessionARN()
	for _, id := range s.Identities {
		theirs := id.Credentials.ARN
		if id.Role == role && id.ID != "" && theirs != "" && ours != "" && theirs != ours {
			return fmt.Sprintf("the role %s of the daemon at %s is %s, but that of this configuration is %s", role, api.URL(listen), theirs, ours)
		}
	}
	return ""
}
