package importer

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	accessKey    = regexp.MustCompile(`A[KS]IA[A-Z0-9]{16}`)
	privateKey   = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----`)
	sessionToken = regexp.MustCompile(`(FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+=]{64}`)
	// named matches the names of secrets in texts such as JSON or a profile.
	named     = regexp.MustCompile(`(?i)(secret_?access_?key|session_?token)["']?\s*[:=>]`)
	separator = strings.NewReplacer("-", "", "_", "", ".", "", " ", "", ":", "", "/", "")
	// bareSecret matches the secret part of an access key, if a text is nothing else.
	bareSecret = regexp.MustCompile(`^[A-Za-z0-9+][A-Za-z0-9/+]{38}[A-Za-z0-9/+=]$`)
	// told matches what messages must not have, to its end.
	told = regexp.MustCompile(`A[KS]IA[A-Z0-9]{16,}|(?s:-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----.*)|(FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+=]{64,}`)
)

// looksSecret reports whether a text holds the id of an access key, a session token or a private key.
func looksSecret(text string) bool {
	return strings.Contains(text, "SIA") && accessKey.MatchString(text) || strings.Contains(text, "KIA") && accessKey.MatchString(text) ||
		strings.Contains(text, "PRIVATE KEY") && privateKey.MatchString(text) ||
		isNamed(text) ||
		len(text) > 64 && sessionToken.MatchString(text)
}

// isNamed reports whether a text has the name of a secret, without the cost of the expression for most.
func isNamed(text string) bool {
	for _, part := range []string{"ccess", "CCESS", "ession", "ESSION"} {
		if strings.Contains(text, part) {
			return named.MatchString(text)
		}
	}
	return false
}

// isSecretTag reports whether a key is a tag that is a secret by its name, such as DB_PASSWORD, or whose value is the secret part of an
// access key. Those have letters of both cases and digits; hashes have not.
func isSecretTag(path []string, value string) bool {
	if len(path) != 3 || !slices.Equal(path[:2], []string{"ec2", "tags"}) {
		return false
	}
	if len(value) == 40 && bareSecret.MatchString(value) && strings.ContainsAny(value, "0123456789") && strings.ToLower(value) != value && strings.ToUpper(value) != value {
		return true
	}
	switch strings.ToLower(value) {
	case "", "true", "false", "yes", "no", "on", "off", "enabled", "disabled", "none":
		return false
	}
	name := separator.Replace(strings.ToLower(path[2]))
	return slices.ContainsFunc(secretEnds(), func(end string) bool { return strings.HasSuffix(name, end) })
}

// secretEnds are how names of secrets end, without what separates words.
func secretEnds() []string {
	return []string{
		"password", "passwd", "passphrase", "secretkey", "apikey", "privatekey", "accesskey",
		"sessiontoken", "accesstoken", "authtoken", "bearertoken", "apitoken",
	}
}

// holdsSecret reports whether a value, or a key or a value in it, looks like a secret.
func holdsSecret(n *yaml.Node) bool {
	return looksSecret(n.Value) || slices.ContainsFunc(n.Content, holdsSecret)
}

// mayHoldSecrets reports whether a key is user data, in which --user-data accepts secrets.
func mayHoldSecrets(path []string) bool {
	return len(path) == 2 && path[0] == "ec2" && (path[1] == "user_data" || path[1] == "user_data_base64")
}

// withoutSecrets takes what is no key away from an instance where it looks like a secret. A source may have set it from anything.
func (in *Instance) withoutSecrets() {
	if looksSecret(in.ID) {
		in.ID = "an instance" // for messages
	}
	in.Addresses = slices.DeleteFunc(in.Addresses, looksSecret)
	if looksSecret(in.RoleARN) {
		in.Role, in.RoleARN = "", ""
		in.note(Lost, "role", "looks like a secret")
	}
}

// secretLeaf reports whether a path below the version may hold credentials or signatures, which are never written.
func secretLeaf(path string) bool {
	if rest, ok := strings.CutPrefix(path, "meta-data/"); ok {
		return strings.HasPrefix(rest, "iam/security-credentials") || strings.HasPrefix(rest, "identity-credentials") || strings.HasPrefix(rest, "managed-ssh-keys")
	}
	name, ok := strings.CutPrefix(path, "dynamic/instance-identity/")
	return ok && slices.Contains([]string{"pkcs7", "rsa2048", "dsa2048", "signature"}, name)
}

// redact takes secrets out of a message, which may quote keys or names of the input.
func redact(text string) string {
	if !looksSecret(text) { // most, and the expression is slow
		return text
	}
	return told.ReplaceAllString(text, "[redacted]")
}

// RedactError takes secrets out of an error, which may quote the input, and makes it one line. It returns the error itself if nothing
// changes.
func RedactError(err error) error {
	if text := strings.Join(strings.FieldsFunc(redact(err.Error()), func(r rune) bool { return r == '\n' || r == '\r' }), " "); text != err.Error() {
		return errors.New(text)
	}
	return err
}
