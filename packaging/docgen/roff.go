package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// manual is the name of the manual that the pages are of.
const manual = "mock-ec2-metadata"

// asciiRoff writes characters beyond ASCII as roff names them, since roff takes bytes for Latin-1.
func asciiRoff(page []byte) []byte {
	var out strings.Builder
	for _, char := range string(page) {
		if char < utf8.RuneSelf {
			out.WriteRune(char)
		} else {
			fmt.Fprintf(&out, `\[u%04X]`, char)
		}
	}
	return []byte(out.String())
}
