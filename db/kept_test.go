package db_test

import (
	"context"
	"sync/atomic"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"
)

func TestKept_IsReadOnceUntilSomebodyTellsOfAChange(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var reads atomic.Int32
	k := db.NewKept(d, "kept", func(context.Context) (int32, error) { return reads.Add(1), nil })
	want := func(n int32) {
		t.Helper()
		if v, err := k.Get(t.Context()); v != n || err != nil {
			t.Errorf("got %d and %v, want %d", v, err, n)
		}
	}
	want(1)
	want(2) // nothing is kept that no notification could end
	listening(t, d)
	want(3)
	want(3)
	k.Forget()
	want(4)
	if err := db.Notify(t.Context(), d, "kept", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is read again", func() bool { v, _ := k.Get(t.Context()); return v == 5 })
	want(5)
}

func TestKept_AValueThatAChangeOvertakesIsUsedOnceAndNotKept(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var reads atomic.Int32
	var k *db.Kept[int32]
	k = db.NewKept(d, "kept", func(context.Context) (int32, error) {
		n := reads.Add(1)
		if n == 1 {
			k.Forget() // somebody changes it while it is read
		}
		return n, nil
	})
	listening(t, d)
	for _, want := range []int32{1, 2, 2} {
		if v, err := k.Get(t.Context()); v != want || err != nil {
			t.Errorf("got %d and %v, want %d", v, err, want)
		}
	}
}

func TestKept_ManyWhoFindNothingReadOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var reads atomic.Int32
	begun, release := make(chan struct{}), make(chan struct{})
	k := db.NewKept(d, "kept", func(context.Context) (int32, error) {
		close(begun) // twice is a panic
		<-release
		return reads.Add(1), nil
	})
	listening(t, d)
	got := make(chan int32)
	for range 8 {
		go func() { v, _ := k.Get(t.Context()); got <- v }()
	}
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Get(gone); err == nil {
		t.Error("who is gone still waits")
	}
	close(release)
	for range 8 {
		if v := <-got; v != 1 {
			t.Errorf("got %d", v)
		}
	}
}
