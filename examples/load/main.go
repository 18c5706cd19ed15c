// Command load sends requests to a URL from several connections for a while and counts the answers; it fails when one
// was not a 200.
//
//	load -resolve 127.0.0.1:80 -d 30s http://shop.localhost/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	conns := flag.Int("c", 8, "connections")
	lasts := flag.Duration("d", 10*time.Second, "how long")
	resolve := flag.String("resolve", "", "address:port to connect to, whatever the URL's host")
	flag.Parse()
	transport := &http.Transport{MaxIdleConnsPerHost: *conns}
	if *resolve != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *resolve)
		}
	}
	client := &http.Client{Transport: transport, Timeout: 15 * time.Second}
	var mu sync.Mutex
	good, bad := map[string]int{}, map[string]int{}
	var wg sync.WaitGroup
	for end := time.Now().Add(*lasts); *conns > 0; *conns-- {
		wg.Go(func() {
			for time.Now().Before(end) {
				answer, err := get(client, flag.Arg(0))
				mu.Lock()
				if err != nil {
					bad[err.Error()]++
				} else {
					good[answer]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	lost := 0
	for _, k := range slices.Sorted(maps.Keys(good)) {
		fmt.Printf("%7d × %s\n", good[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(bad)) {
		fmt.Printf("%7d × LOST: %s\n", bad[k], k)
		lost += bad[k]
	}
	fmt.Printf("%7d requests lost\n", lost)
	if lost > 0 || len(good) == 0 {
		os.Exit(1)
	}
}

// get returns the body of a 200.
func get(client *http.Client, url string) (string, error) {
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s", res.Status)
	}
	return strings.TrimSpace(string(b)), nil
}
