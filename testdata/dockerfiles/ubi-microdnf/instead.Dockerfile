FROM registry.example/ubi-with-java
WORKDIR /deployments
COPY --chown=0:0 --chmod=g=u target/*.jar /deployments/
USER 1001
CMD ["java", "-jar", "/deployments/shop-1.0.jar"]
