package db_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homebase/db"
)

func TestBatches_WriteWhatComesAndNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // a fake clock orders nothing for the race detector
		var written [][]int
		var failure error
		b := db.NewBatches(10, 4, time.Second, func(_ context.Context, batch []int) error {
			mu.Lock()
			defer mu.Unlock()
			written = append(written, slices.Clone(batch))
			return failure
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { b.Run(ctx); close(ended) }()
		want := func(what string, batches ...[]int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if !slices.EqualFunc(written, batches, slices.Equal) {
				t.Errorf("%s: %v was written, want %v", what, written, batches)
			}
			written = nil
		}
		time.Sleep(time.Hour)
		want("an hour without a value")
		for i := range 6 {
			b.Add(i)
		}
		time.Sleep(2 * time.Second)
		want("six values", []int{0, 1, 2, 3}, []int{4, 5})
		b.Wake()
		time.Sleep(2 * time.Second)
		want("woken", []int{})
		fail := func(err error) { mu.Lock(); defer mu.Unlock(); failure = err }
		fail(errors.New("the database is away"))
		b.Add(7)
		time.Sleep(2500 * time.Millisecond)
		want("twice in vain", []int{7}, []int{7})
		fail(nil)
		time.Sleep(time.Hour)
		want("tried again", []int{7})
		b.Add(8)
		cancel()
		<-ended
		want("at the end", []int{8})
	})
}
