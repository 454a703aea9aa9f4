package profile

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
)

// Home returns the user's home directory, or "". HOME decides, also after it has changed in this process.
func Home() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// ConfigFile returns the path of the config file: AWS_CONFIG_FILE, or ~/.aws/config.
func ConfigFile() string { return fileIn(Home(), "AWS_CONFIG_FILE", "config") }

// CredentialsFile returns the path of the credentials file: AWS_SHARED_CREDENTIALS_FILE, or ~/.aws/credentials.
func CredentialsFile() string { return fileIn(Home(), "AWS_SHARED_CREDENTIALS_FILE", "credentials") }

// fileIn returns the path of a file that a variable names, or of the one in the home directory. home is also what ~ and $HOME
// stand for.
func fileIn(home, variable, name string) string {
	if path := os.Getenv(variable); path != "" {
		return ExpandIn(path, home)
	}
	return filepath.Join(home, ".aws", name)
}

var variables = regexp.MustCompile(`\$(?:\w+|\{[^}]*\})`)

// Expand replaces $NAME and ${NAME} by the variables that are set, and then ~ or ~USER at the begin by that user's home
// directory, as the AWS CLI does. What it cannot replace stays.
func Expand(path string) string { return ExpandIn(path, Home()) }

// ExpandIn is Expand with another home directory for ~ and $HOME.
func ExpandIn(path, home string) string {
	path = variables.ReplaceAllStringFunc(path, func(text string) string {
		name := strings.Trim(text[1:], "{}")
		if name == "HOME" && home != "" {
			return home
		}
		if value, set := os.LookupEnv(name); set {
			return value
		}
		return text
	})
	if !strings.HasPrefix(path, "~") {
		return path
	}
	name, rest := path[1:], ""
	if end := strings.IndexFunc(name, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }); end >= 0 { //nolint:gosec // below 0x80
		name, rest = name[:end], name[end:]
	}
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return path
		}
		home = u.HomeDir
	}
	if home == "" {
		return path
	}
	return strings.TrimRight(home, "/") + rest
}
