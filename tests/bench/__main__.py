"""`make bench`: every measurement, one after the other."""

from tests.bench import check, compiling, index, push, running

print("Packing and pushing: 5 platforms, a program of 60 MB each")
push.main()
print("\nIndexes, 20 ms away")
index.main()
print("\nAll tags of a repository, 1,000 of five platforms")
check.main()
print("\nCompiling C++ for 4 platforms, warm")
compiling.main()
print("\nTwenty RUN lines, a small base")
running.main()
