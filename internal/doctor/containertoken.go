package doctor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/sdkenv"
)

// Variables that hold the token of the container's service (container-credentials-reference section 2).
const (
	tokenFile     = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" //nolint:gosec // a name
	tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"      //nolint:gosec // a name
)

const (
	// podAudience is the audience of the tokens that EKS Pod Identity takes.
	podAudience = "pods.eks.amazonaws.com"
	// maxToken is how many bytes of a token's file are read. Headers have less room.
	maxToken = 64 << 10

	newPodToken = "kubectl create token NAME --audience " + podAudience
)

// tokenLines says what is wrong with the token that clients send to a container's service. It never shows the token.
func (d *doctor) tokenLines(environ []string, w containerWay) (lines []string) {
	path, token := sdkenv.Lookup(environ, tokenFile), sdkenv.Lookup(environ, tokenVariable)
	if path != "" && token != "" {
		lines = append(lines, tokenVariable+" is set beside "+tokenFile+": the SDK for Java sends the variable, others send the file; unset one of them")
	}
	switch {
	case path != "":
		token, err := readToken(path)
		if err != nil {
			return append(lines, unreadableToken(path, err))
		}
		return append(lines, d.judgeToken(w, tokenFile+" names a file with ", path, token)...)
	case token != "":
		return append(lines, d.judgeToken(w, tokenVariable+" has ", "", token)...)
	case w.pods:
		lines = append(lines, w.variable+" leads to EKS Pod Identity, which needs a token, but "+tokenFile+" is not set; set it to a file with one: "+newPodToken)
	}
	return lines
}

// errNotRegular says that reading a file could wait, or take its content from a client.
var errNotRegular = errors.New("it is no regular file")

// readToken reads a token's file as it is.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path) //nolint:gosec // the user's variable
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	token, err := io.ReadAll(io.LimitReader(f, maxToken))
	return string(token), err
}

// unreadableToken says why a token's file cannot be read.
func unreadableToken(path string, err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	remedy := "let your user read it"
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		remedy = "write the token there, or unset the variable"
	}
	return tokenFile + ": " + quoted(path) + " cannot be read (" + err.Error() + "), and SDKs fail without it; " + remedy
}

// judgeToken says what is wrong with a token. has begins a line about it. path is its file, "" if it has none.
func (d *doctor) judgeToken(w containerWay, has, path, token string) (lines []string) {
	if token == "" {
		return []string{tokenFile + " names an empty file, so that clients send no token; write it there, or unset the variable"}
	}
	bare := strings.TrimSpace(token)
	switch {
	case strings.ContainsAny(token, "\r\n") && path != "":
		file := quoted(path)
		lines = append(lines, has+`the end of a line in it, which SDKs refuse; write it without: (umask 077; tr -d '\r\n' <`+file+" >"+file+".new) && mv "+file+".new "+file)
	case strings.ContainsAny(token, "\r\n"):
		lines = append(lines, has+"the end of a line in it, which SDKs refuse; set it without")
	}
	if strings.ContainsFunc(strings.NewReplacer("\r", "", "\n", "", "\t", "").Replace(token), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		lines = append(lines, has+"control bytes in it, which SDKs refuse; write the token anew")
	}
	const scheme = "Bearer "
	if len(bare) > len(scheme) && strings.EqualFold(bare[:len(scheme)], scheme) {
		lines = append(lines, has+`"Bearer " before the token, which SDKs send too, and EKS Pod Identity refuses; write the token alone, unless the service asks for "Bearer "`)
		bare = strings.TrimSpace(bare[len(scheme):])
	}
	c, isJWT := claimsOf(bare)
	switch now := d.opt.Now; {
	case !isJWT && w.pods:
		lines = append(lines, has+"a token that is no JWT, which EKS Pod Identity refuses; write a service account's: "+newPodToken)
	case !isJWT:
	case c.Expires != 0 && !now().Before(at(c.Expires)):
		line := has + "a token that has expired; write a new one"
		if w.pods {
			line += ": " + newPodToken
		}
		lines = append(lines, line)
	case now().Before(at(c.NotBefore)):
		lines = append(lines, has+"a token that is not valid yet; set this machine's clock")
	}
	if audience := d.audience(); isJWT && w.pods && !slices.Contains(c.Audience, audience) {
		lines = append(lines, has+"a token for another audience than "+audience+", which EKS Pod Identity refuses; write one for it: kubectl create token NAME --audience "+audience)
	}
	return lines
}

// audience is that of the tokens which EKS Pod Identity takes: the configuration's, if there is one.
func (d *doctor) audience() string {
	if d.loaded != nil {
		return d.loaded.Config.PodIdentity.Audience
	}
	return podAudience
}

// claims are the claims of a JWT that doctor looks at. Times are Unix seconds; 0 without.
type claims struct {
	Expires   float64  `json:"exp"`
	NotBefore float64  `json:"nbf"`
	Audience  audience `json:"aud"`
}

// audience is a string or a list of them (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

func at(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }

// claimsOf reads the claims of a JWT, whoever signed it. ok is false for other tokens.
func claimsOf(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return claims{}, false
	}
	return c, true
}
