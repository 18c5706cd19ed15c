// Command writer writes as many lines as its argument says to standard output,
// and its name for them is a count. It fails when it can't write.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1]) // the test gives a number
	w := bufio.NewWriter(os.Stdout)
	for i := range n {
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			os.Exit(3)
		}
	}
	if w.Flush() != nil {
		os.Exit(3)
	}
}
