package config

import (
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Keys that name files and directories.
const (
	userDataFile = "ec2.user_data_file"
	keyFile      = "identity.key_file"
	certFile     = "identity.cert_file"
	stateDir     = "identity.state_dir"
)

// locateFiles makes the paths that the configuration names absolute. Those in a file start from the file's directory,
// those in the environment and in --set from the working directory.
func (l *layers) locateFiles() {
	for _, key := range []string{userDataFile, keyFile, certFile, stateDir} {
		if !l.usable(key) {
			continue
		}
		v := find(l.config, key)
		path := v.String()
		if file := l.origin(key).file; file != "" && !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			l.fail(l.origin(key), key, "%s: %v", oneLine(v.String()), err)
			continue
		}
		v.SetString(path)
	}
}

// files are the files to watch beside the configuration file.
func (l *layers) files() []string {
	var files []string
	for _, key := range []string{userDataFile, keyFile, certFile} {
		if l.usable(key) {
			files = append(files, find(l.config, key).String())
		}
	}
	return files
}

// maxUserData is EC2's limit, in bytes before base64 (EC2 user guide, "Run commands at launch").
const maxUserData = 16384

func userData(value string) string {
	if len(value) > maxUserData {
		return fmt.Sprintf("%d bytes; EC2 takes at most %d", len(value), maxUserData)
	}
	return ""
}

func userDataBase64(value string) string {
	data, err := decodeBase64(value)
	if err != nil {
		return "not valid base64"
	}
	return userData(string(data))
}

// decodeBase64 takes base64 however YAML has broken and folded its lines.
func decodeBase64(value string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
}

// validateUserData wants it in one place.
func (l *layers) validateUserData() {
	first := ""
	for _, path := range []string{"ec2.user_data", userDataFile, "ec2.user_data_base64"} {
		switch {
		case !l.isSet(path):
		case first == "":
			first = path
		default:
			l.wrong(path, "%s is set too; keep one of them", first)
		}
	}
}

// readUserData is the user data from where it is given; nil when there is none.
func (l *layers) readUserData() []byte {
	var data []byte
	var err error
	switch c := l.config.EC2; {
	case l.usable("ec2.user_data"):
		data = []byte(c.UserData.Reveal())
	case l.usable("ec2.user_data_base64"):
		data, err = decodeBase64(c.UserDataBase64.Reveal())
	case l.usable(userDataFile):
		if data, err = readSmall(c.UserDataFile, maxUserData); err != nil {
			l.wrong(userDataFile, "%v", err)
		}
	}
	if err != nil || len(data) == 0 {
		return nil
	}
	return data
}

// readSmall reads a regular file of limited size.
func readSmall(path string, most int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, readError(path, err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("%s: more than %d bytes; EC2 takes no more", oneLine(path), most)
	}
	return data, nil
}
