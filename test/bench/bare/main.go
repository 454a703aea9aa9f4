// Command bare is what a user would write with net/http: http.ListenAndServe and a handler that writes one answer, whatever
// the request. It sets no timeouts.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"

	"mock-ec2-metadata/test/bench"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5001", "address")
	file := flag.String("answer", "", "file with the answer, as package run writes it")
	flag.Parse()
	answer, err := bench.LoadAnswer(*file)
	if err == nil {
		err = http.ListenAndServe(*listen, answer)
	}
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(1)
}
