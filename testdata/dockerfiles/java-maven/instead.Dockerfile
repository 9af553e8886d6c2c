FROM maven:3-eclipse-temurin-21 AS build
WORKDIR /workspace
COPY pom.xml .
RUN mvn -B dependency:go-offline
COPY src src
RUN mvn -B package -DskipTests

FROM eclipse-temurin:21-jre
WORKDIR /opt/app
COPY --from=build /workspace/target/*.jar /opt/app/app.jar
USER 1000:1000
ENTRYPOINT ["java", "-jar", "/opt/app/app.jar"]
