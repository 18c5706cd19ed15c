// Command app is what the benchmark's tasks run: a web server that answers every request with the same few bytes and
// does next to nothing for it, so that what is measured is what stands before it. With an argument it only waits.
package main

import (
	"bufio"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) > 1 {
		<-stop
		return
	}
	ln, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-stop
		os.Exit(0)
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(c)
	}
}

// serve answers heads without a body until the client goes away.
func serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}
