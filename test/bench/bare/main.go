// Command bare is a net/http server that writes one answer, whatever is asked: the most that can be had of net/http.
package main

import (
	"flag"
	"fmt"
	"os"

	"mock-ec2-metadata/test/bench"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5001", "address")
	file := flag.String("answer", "", "file with the answer, as package run writes it")
	flag.Parse()
	answer, err := bench.LoadAnswer(*file)
	if err == nil {
		err = bench.Server(*listen, answer).ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(1)
}
