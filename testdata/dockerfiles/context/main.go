package main

var version = "dev"

func main() { println("shop", version) }
