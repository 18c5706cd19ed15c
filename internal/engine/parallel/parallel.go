// Package parallel does the same for several things at once, but not for too many.
package parallel

import (
	"errors"
	"sync"
)

// atOnce bounds how many containers are asked about, or removed, at once.
const atOnce = 8

// Do calls f for 0 … n-1 and joins the errors.
func Do(n int, f func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = f(i)
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
